"""`python -m tests.support.heartbeat LOG`: the embedded host, which notes what its event loop does for long.

What is counted is the processor time of the loop's own thread, callback by callback, so that other processes
on a busy machine make no difference. Each callback above _NOTED_S is a line of LOG: milliseconds, and what
ran.
"""

import asyncio
import sys
import threading
import time
from pathlib import Path

from local_host.__main__ import main

_NOTED_S = 0.005


def longest_ms(log: Path) -> float:
    """The longest callback so far, 0 when all were short."""
    return max((float(line.partition(" ")[0]) for line in log.read_text().splitlines()), default=0.0)


def watch(log: Path) -> None:
    """Have every event loop of this thread watched."""
    run, thread = asyncio.Handle._run, threading.get_ident()

    def timed(handle: asyncio.Handle) -> None:
        begin = time.thread_time()
        run(handle)
        took_s = time.thread_time() - begin
        if took_s > _NOTED_S and threading.get_ident() == thread:
            with log.open("a") as file:
                file.write(f"{took_s * 1000:.1f} {handle!r}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    main([])
