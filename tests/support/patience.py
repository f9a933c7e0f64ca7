"""How long tests wait: one patience for all, since CI's machine stands still for half a minute at times."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 180
"""How long a test waits for what must come; no test measures it. SEGMENT_SLOT_WAIT_S allows at most 200."""
_SHORTEST_S, _LONGEST_S = 0.005, 0.1
"""Between two looks: the longer it lasts, the longer."""


def wait_for[T](condition: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """What the condition gives, as soon as that is true. Raises TimeoutError."""
    end, pause_s = time.monotonic() + patience_s, _SHORTEST_S
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_S)
    return found


async def until(condition: Callable[[], object], pause_s: float = 0.01) -> None:
    """Until it is true, on an event loop; without a pause it is asked at each turn. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(pause_s)
