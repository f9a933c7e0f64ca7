"""Watches folders for new and changed pictures, which count once they have not changed for a second."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from watchfiles import Change, awatch

from segment_client.errors import printable
from segment_client.folder import Folder, Found, Placed, is_folder
from segment_client.payload import Stamp, stamp_of
from segment_client.side_by_side import in_thread
from segment_client.sources import Located

log = logging.getLogger(__name__)

_REST_S = 1.0
_TICK_MS = 200
_LOOK_EVERY_S = 1.0
_COMPARE_EVERY_S = 5


async def found_now_and_later(located: Located) -> AsyncGenerator[Found, None]:
    """All pictures that are there, and then new and changed ones, without end and without a gap.

    If a folder vanishes, this waits for it and searches it again when it is back. If the system cannot watch
    more folders, they are compared every 5 s.
    """
    watched = [_Watched(folder) for folder in located.folders]
    resting = _Resting()
    compares = False
    while True:
        for one in watched:
            await asyncio.to_thread(one.look)
        there = [one for one in watched if one.is_there]
        try:
            if there:
                async with aclosing(_search(watched, there, resting, compares=compares)) as search:
                    async for found in search:
                        yield found
        except (OSError, RuntimeError) as error:  # watchfiles raises both
            if not compares and not isinstance(error, FileNotFoundError):
                compares = True
                log.warning(
                    "The system cannot watch more folders: %s. Folders are compared every %d s instead.",
                    printable(str(error).partition(" about ")[0].rstrip(".")),
                    _COMPARE_EVERY_S,
                )
                continue
        await asyncio.sleep(_LOOK_EVERY_S)


class _Watched:
    """A watched folder, which may vanish and come back."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.real = Path(os.path.realpath(folder.root))
        self._identity = self._look()
        self.is_there = True

    def has_changed(self) -> bool:
        """Whether it has vanished, has come back, or was replaced."""
        return self._look() != self._identity

    def look(self) -> None:
        """Check whether it is there; log a line if that has changed."""
        self._identity = self._look()
        if self.is_there != bool(self._identity):
            self.is_there = not self.is_there
            name = printable(str(self.folder.root))
            log.warning("%s is back." if self.is_there else "%s has vanished; waiting for it.", name)
            self.real = Path(os.path.realpath(self.folder.root))

    def stamps(self) -> Iterator[list[tuple[Path, Stamp]]]:
        """Each picture's path and stamp, folder by folder."""
        for batch in self.folder.pictures():
            stamps = []
            for found in batch:
                with suppress(OSError):  # it has vanished since
                    if isinstance(found, Placed):
                        path = self.real / Path(found.source).relative_to(self.folder.root)
                        stamps.append((path, stamp_of(Path(found.source).stat())))
            yield stamps

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self.folder.root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


class _Resting:
    """Changed paths, until they have not changed for a second."""

    def __init__(self) -> None:
        self._until: dict[Path, float] = {}

    def touch(self, paths: Sequence[Path]) -> None:
        """They have changed just now."""
        self._until |= dict.fromkeys(paths, time.monotonic() + _REST_S)

    def rested(self) -> set[Path]:
        """Remove and return those that have not changed for a second."""
        now = time.monotonic()
        paths = {path for path, until in self._until.items() if until <= now}
        for path in paths:
            del self._until[path]
        return paths


async def _search(
    watched: Sequence[_Watched], there: Sequence[_Watched], resting: _Resting, *, compares: bool
) -> AsyncGenerator[Found, None]:
    """All pictures that are there, and then changes, until a folder vanishes or comes back.

    Raises OSError and RuntimeError where the system refuses to watch.
    """
    look_at = 0.0
    async with aclosing(_compared(there) if compares else _reported(there)) as changes:
        resting.touch(await anext(changes))  # from here on the system records changes
        for one in there:
            async for found in in_thread(one.folder.pictures()):
                yield found
        async for paths in changes:
            resting.touch(paths)
            rested = resting.rested()
            for one in there:
                here = [
                    one.folder.root / path.relative_to(one.real)
                    for path in rested
                    if path.is_relative_to(one.real)
                ]
                async for found in in_thread(one.folder.changed(here)):
                    yield found
            if time.monotonic() > look_at:
                look_at = time.monotonic() + _LOOK_EVERY_S
                if await asyncio.to_thread(lambda: any(one.has_changed() for one in watched)):
                    return


async def _reported(there: Sequence[_Watched]) -> AsyncGenerator[list[Path], None]:
    """Changed paths as the system reports them, several times a second."""
    watcher = awatch(
        *(one.real for one in there),
        watch_filter=None,
        debounce=_TICK_MS,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with aclosing(watcher):
        added = [one.real for one in there]
        async for changes in watcher:
            added += [Path(path) for change, path in changes if change is Change.added]
            folder = await asyncio.to_thread(_any_folder, added)
            if folder:
                await _check_that_more_can_be_watched(folder)
            added.clear()
            yield [Path(path) for change, path in changes if change is not Change.deleted]


async def _compared(there: Sequence[_Watched]) -> AsyncGenerator[list[Path], None]:
    """The same by comparing every 5 s: files that have changed, and then were the same twice."""
    told: dict[Path, Stamp | None] = {}
    before = await _stamps(there)
    told |= before
    while True:
        for _ in range(1000 * _COMPARE_EVERY_S // _TICK_MS):
            yield []
            await asyncio.sleep(_TICK_MS / 1000)
        now = await _stamps(there)
        rested = {path: stamp for path, stamp in now.items() if stamp == before.get(path)}
        yield [path for path, stamp in rested.items() if stamp != told.get(path)]
        told = {path: rested.get(path, told.get(path)) for path in now}
        before = now


async def _stamps(there: Sequence[_Watched]) -> dict[Path, Stamp]:
    return {path: stamp for one in there async for path, stamp in in_thread(one.stamps())}


def _any_folder(paths: Sequence[Path]) -> Path | None:
    return next((path for path in paths if is_folder(path)), None)


async def _check_that_more_can_be_watched(folder: Path) -> None:
    """Raises OSError or RuntimeError if not; a watcher silently skips folders that it cannot watch."""
    watcher = awatch(folder, recursive=False, rust_timeout=1, yield_on_timeout=True)
    with suppress(FileNotFoundError):  # it has vanished already
        async with aclosing(watcher):
            await anext(watcher)
