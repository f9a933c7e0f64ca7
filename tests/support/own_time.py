"""An event loop whose time passes only while all that is on it waits, and then at once.

For tests of limits that must not run out: however long the machine stands still, no time passes here.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import override


class _Selector(selectors.DefaultSelector):
    now_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(None if timeout is None else 0)
        if timeout and not found:
            self.now_s += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._own = _Selector()
        super().__init__(self._own)

    @override
    def time(self) -> float:
        return self._own.now_s


def run[T](scene: Coroutine[object, object, T]) -> T:
    """What asyncio.run does, in such a time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(scene)
