"""`python -m tests.support.heartbeat LOG`: the embedded host, which notes what its event loop does for long.

What is counted is the processor time of the loop's own thread, callback by callback. Two threads that share a
core are slow, and some machines are: so each time is divided by how many times longer than usual Python takes
at that moment. Each callback above _NOTED_S is a line of LOG: milliseconds of a usual machine, and what ran.
"""

import asyncio
import sys
import threading
import time
from pathlib import Path

from local_host.__main__ import main

_NOTED_S = 0.005
_ROUNDS, _USUAL_S = 100_000, 0.002
"""Of an empty loop, and the time that it takes on an idle machine."""


def longest_ms(log: Path) -> float:
    """The longest callback so far, 0 when all were short."""
    return max((float(line.partition(" ")[0]) for line in log.read_text().splitlines()), default=0.0)


def slowness() -> float:
    """How many times longer than usual Python takes now, at least 1."""
    begin = time.thread_time()
    for _ in range(_ROUNDS):
        pass
    return max(1.0, (time.thread_time() - begin) / _USUAL_S)


def watch(log: Path) -> None:
    """Have every event loop of this thread watched."""
    run, thread = asyncio.Handle._run, threading.get_ident()  # noqa: SLF001 (asyncio has no other way)

    def timed(handle: asyncio.Handle) -> None:
        begin = time.thread_time()
        run(handle)
        took_s = time.thread_time() - begin
        if took_s > _NOTED_S and threading.get_ident() == thread:
            with log.open("a") as file:
                file.write(f"{took_s * 1000 / slowness():.1f} {handle!r}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]  # noqa: SLF001


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    main([])
