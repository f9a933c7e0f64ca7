"""Name resolution, the one seam between an image URL and the sockets it leads to."""

import asyncio
import functools
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

_THREADS = 8


class Resolver(Protocol):
    """Finds the addresses of a host name."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """All addresses of `host`, in the order to try them. Raises OSError when it has none."""


class SystemResolver:
    """The resolver of the operating system, both IP families."""

    def __init__(self) -> None:
        # Threads of its own: a name server that does not answer holds a thread for longer than any
        # time-out of ours, and must not take those of asyncio.to_thread.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dns")

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """See Resolver. `host` is ASCII."""
        # As bytes, which spares it the IDNA of 2003 that a str goes through.
        look_up = functools.partial(socket.getaddrinfo, host.encode("ascii"), port, type=socket.SOCK_STREAM)
        answers = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(socket_address[0]) for *_, socket_address in answers]


SYSTEM_RESOLVER = SystemResolver()
