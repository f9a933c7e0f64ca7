"""Folders that are watched: what changes there, once it has come to rest."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from watchfiles import Change, awatch

from segment_client.errors import printable
from segment_client.folder import Folder, Found, Placed
from segment_client.payload import Stamp, stamp_of
from segment_client.side_by_side import in_thread
from segment_client.sources import Located

log = logging.getLogger(__name__)

_REST_S = 1.0
_TICK_MS = 200
_LOOK_EVERY_S = 1.0
_COMPARE_EVERY_S = 5


async def found_now_and_later(located: Located) -> AsyncGenerator[Found, None]:
    """Everything that is there, and then what comes or changes, without end and without a gap between.

    A folder that vanishes is waited for, and searched when it is back. Where the system has no means left to
    watch folders, they are compared every 5 s.
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
                    "Nothing more can be watched: %s. Folders are compared every %d s instead.",
                    printable(str(error).partition(" about ")[0].rstrip(".")),
                    _COMPARE_EVERY_S,
                )
                continue
        await asyncio.sleep(_LOOK_EVERY_S)


class _Watched:
    """A folder to be watched, which may vanish and come back."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.real = Path(os.path.realpath(folder.root))
        self._identity = self._look()
        self.is_there = True

    def has_changed(self) -> bool:
        """Whether it has vanished, has come back, or is another one by now."""
        return self._look() != self._identity

    def look(self) -> None:
        """Whether it is there; a line when that has changed."""
        self._identity = self._look()
        if self.is_there != bool(self._identity):
            self.is_there = not self.is_there
            name = printable(str(self.folder.root))
            log.warning("%s is back." if self.is_there else "%s is gone; it is waited for.", name)
            self.real = Path(os.path.realpath(self.folder.root))

    def stamps(self) -> Iterator[list[tuple[Path, Stamp]]]:
        """Each picture's path and stamp, folder by folder."""
        for batch in self.folder.pictures():
            stamps = []
            for found in batch:
                with suppress(OSError):  # it has gone since
                    if isinstance(found, Placed):
                        path = self.real / Path(found.source).relative_to(self.folder.root)
                        stamps.append((path, stamp_of(os.stat(found.source))))
            yield stamps

    def _look(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.folder.root)
        except OSError:
            return None
        return status.st_dev, status.st_ino


class _Resting:
    """Paths that something has happened to, until nothing has for a second."""

    def __init__(self) -> None:
        self._until: dict[Path, float] = {}

    def touch(self, paths: Sequence[Path]) -> None:
        """Something has happened to them just now."""
        self._until |= dict.fromkeys(paths, time.monotonic() + _REST_S)

    def rested(self) -> set[Path]:
        """Those that are at rest, which are not told again."""
        now = time.monotonic()
        paths = {path for path, until in self._until.items() if until <= now}
        for path in paths:
            del self._until[path]
        return paths


async def _search(
    watched: Sequence[_Watched], there: Sequence[_Watched], resting: _Resting, *, compares: bool
) -> AsyncGenerator[Found, None]:
    """All that is there, and then what changes, until a folder vanishes or comes back.

    Raises OSError and RuntimeError where the system refuses to watch.
    """
    look_at = 0.0
    async with aclosing(_compared(there) if compares else _reported(there)) as changes:
        resting.touch(await anext(changes))  # from here on the system takes notes
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
    """Several times a second, the paths that something has happened to, as the system reports it."""
    watcher = awatch(
        *(one.real for one in there),
        watch_filter=None,
        debounce=_TICK_MS,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with aclosing(watcher):
        added = [str(one.real) for one in there]
        async for changes in watcher:
            added += [path for change, path in changes if change is Change.added]
            folder = await asyncio.to_thread(_any_folder, added)
            if folder:
                await _check_that_more_can_be_watched(folder)
            added.clear()
            yield [Path(path) for change, path in changes if change is not Change.deleted]


async def _compared(there: Sequence[_Watched]) -> AsyncGenerator[list[Path], None]:
    """The same by looking every 5 s: the files that are others than before and were the same twice."""
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
    stamps: dict[Path, Stamp] = {}
    for one in there:
        async for path, stamp in in_thread(one.stamps()):
            stamps[path] = stamp
    return stamps


def _any_folder(paths: Sequence[str]) -> str | None:
    return next((path for path in paths if os.path.isdir(path)), None)


async def _check_that_more_can_be_watched(folder: str) -> None:
    """Raises OSError and RuntimeError when not: the watcher passes over new folders that it cannot watch."""
    watcher = awatch(folder, recursive=False, rust_timeout=1, yield_on_timeout=True)
    with suppress(FileNotFoundError):  # it was there for a moment only
        async with aclosing(watcher):
            await anext(watcher)
