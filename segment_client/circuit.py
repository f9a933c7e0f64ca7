"""The circuit breaker: a dead endpoint is left alone, and asked now and then whether it lives again."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from circuitbreaker import CircuitBreaker

from segment_client.errors import Broken, ClientError, GivenUp, Refused, Unreachable
from segment_client.options import Patience

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2


class Circuit:
    """One for an endpoint, shared by all pictures that are on their way to it."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._breaker = CircuitBreaker(
            patience.failures_to_open, patience.probe_every_s, lambda _, error: _is_failure(error), "endpoint"
        )
        self._door = asyncio.Lock()
        self._dead_since: float | None = None

    @property
    def closed(self) -> bool:
        """Whether pictures are sent freely."""
        return bool(self._breaker.closed)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Around one attempt: waits while the circuit is open. Raises GivenUp when that takes too long."""
        async with AsyncExitStack() as stack:
            if not self.closed:
                await stack.enter_async_context(self._door)  # one probes for all
                await self._wait()
                if self.closed:
                    await stack.pop_all().aclose()
            try:
                with self._breaker:
                    yield
            finally:
                self._tell()

    async def _wait(self) -> None:
        while self._breaker.opened:
            dead_s = time.monotonic() - (self._dead_since or 0.0)
            if dead_s > self._patience.give_up_after_s:
                raise GivenUp(f"The endpoint has not answered for {dead_s:.0f} s: {self._last_failure()}")
            await asyncio.sleep(min(_LOOK_EVERY_S, self._patience.probe_every_s))

    def _tell(self) -> None:
        if self.closed:
            if self._dead_since is not None:
                log.warning("The endpoint answers again.")
            self._dead_since = None
        elif self._dead_since is None:
            self._dead_since = time.monotonic()
            log.warning(
                "The endpoint fails again and again: %s Until it answers, one picture every %g s is sent.",
                self._last_failure(),
                self._patience.probe_every_s,
            )

    def _last_failure(self) -> str:
        failure = self._breaker.last_failure
        return failure.message if isinstance(failure, ClientError) else "it was not reached"


def _is_failure(error: BaseException) -> bool:
    """Signs that the endpoint is dead; an answer below 500, 429 too, is a sign of life."""
    if isinstance(error, Refused):
        return error.status >= 500
    return isinstance(error, Unreachable | Broken)
