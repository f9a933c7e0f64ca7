"""The circuit breaker: an endpoint that keeps failing gets only a probe now and then, until it answers."""

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
    """One for each endpoint, shared by all pictures that are sent to it."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._breaker = CircuitBreaker(
            patience.failures_to_open, patience.probe_every_s, lambda _, error: _is_failure(error), "endpoint"
        )
        self._door = asyncio.Lock()
        self._dead_since: float | None = None

    def is_closed(self) -> bool:
        """Whether pictures are sent freely."""
        return bool(self._breaker.closed)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Enclose one attempt; waits while the circuit is open. Raises GivenUp if that takes too long."""
        async with AsyncExitStack() as stack:
            if not self.is_closed():
                await stack.enter_async_context(self._door)  # one picture probes for all
                await self._wait()
                if self.is_closed():
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
        if self.is_closed():
            if self._dead_since is not None:
                log.warning("The endpoint answers again.")
            self._dead_since = None
        elif self._dead_since is None:
            self._dead_since = time.monotonic()
            log.warning(
                "The endpoint keeps failing: %s Until it answers, one picture is sent every %g s.",
                self._last_failure(),
                self._patience.probe_every_s,
            )

    def _last_failure(self) -> str:
        failure = self._breaker.last_failure
        return failure.message if isinstance(failure, ClientError) else "it was not reached"


def _is_failure(error: BaseException) -> bool:
    """Whether the endpoint is down. An answer below 500, also 429, shows that it is up."""
    if isinstance(error, Refused):
        return error.status >= 500
    return isinstance(error, Unreachable | Broken)
