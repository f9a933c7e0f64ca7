"""The one deadline of a call, from its first byte to its last."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared_code.errors import SegmentError


@dataclass(frozen=True)
class Deadline:
    """The time by which a call must have ended: `at` on the clock time.monotonic(), in seconds.

    Every wait of the call is limited by it, so that the waits together cannot take longer.
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """Seconds until then, 0 when it has passed."""
        return max(0.0, self.at - time.monotonic())

    def within(self, seconds: float) -> float:
        """The time-out of a wait that has a limit of its own: `seconds`, or what is left if that is less."""
        return min(seconds, self.left_s)

    @asynccontextmanager
    async def limit(self, error: type[SegmentError]) -> AsyncIterator[None]:
        """Cancel the block at the deadline, and raise `error`."""
        timeout = asyncio.timeout(self.left_s)
        try:
            async with timeout:
                yield
        except TimeoutError:
            if timeout.expired():
                raise error from None
            raise
