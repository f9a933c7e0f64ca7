"""Name resolution for image URLs; tests replace it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

_MAX_LOOK_UPS = 256


class Resolver(Protocol):
    """Finds the addresses of a host name."""

    async def resolve(self, host: str) -> Sequence[str]:
        """All addresses of `host`, in the order to try them. Raises OSError when it has none."""


def system_look_up(host: str) -> Sequence[str]:
    """The operating system's answer, for both IP families; blocks. `host` is ASCII. Raises OSError."""
    # As bytes, because a str would be converted by IDNA 2003.
    answers = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return [str(socket_address[0]) for *_, socket_address in answers]


class SystemResolver:
    """Blocking look-ups on threads, for callers who wait only for a limited time.

    A look-up cannot be cancelled: if no name server answers, its thread is blocked for as long as the system
    tries, which is longer than any caller waits. So every look-up has its own daemon thread, callers who ask
    for the same name share one, and when `max_look_ups` hang, further names are refused at once.
    """

    def __init__(
        self,
        look_up: Callable[[str], Sequence[str]] = system_look_up,
        max_look_ups: int = _MAX_LOOK_UPS,
    ) -> None:
        self._look_up = look_up
        self._max_look_ups = max_look_ups
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Sequence[str]]] = {}

    async def resolve(self, host: str) -> Sequence[str]:
        """See Resolver. `host` is ASCII."""
        # Shielded, because a caller who gives up must not cancel it for the others.
        return await asyncio.shield(asyncio.wrap_future(self._answer(host)))

    def _answer(self, host: str) -> Future[Sequence[str]]:
        with self._lock:
            if host in self._under_way:
                return self._under_way[host]
            if len(self._under_way) >= self._max_look_ups:
                raise OSError(f"{self._max_look_ups} look-ups are under way")
            answer = self._under_way[host] = Future()
        try:
            threading.Thread(target=self._work, args=(host, answer), name="dns", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._settle(host)
            raise OSError(str(error)) from None
        return answer

    def _work(self, host: str, answer: Future[Sequence[str]]) -> None:
        try:
            addresses = self._look_up(host)
        except Exception as error:
            self._settle(host)
            answer.set_exception(error)
        else:
            self._settle(host)
            answer.set_result(addresses)

    def _settle(self, host: str) -> None:
        with self._lock:
            del self._under_way[host]


SYSTEM_RESOLVER = SystemResolver()
