"""Folders that are watched: what changes there, once it has come to rest."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from watchfiles import Change, awatch

from segment_client.folder import Found
from segment_client.side_by_side import in_thread
from segment_client.sources import Sources

_REST_S = 1.0
_TICK_MS = 200


async def found_now_and_later(sources: Sources) -> AsyncGenerator[Found]:
    """Everything that is there, and then what comes or changes, without end and without a gap between."""
    folders = [(folder.root.resolve(), folder) for folder in sources.folders]
    async with aclosing(_at_rest([root for root, _ in folders])) as changes:
        await anext(changes)  # from here on the system takes notes
        async for found in in_thread(sources.all()):
            yield found
        async for paths in changes:
            for root, folder in folders:
                here = [folder.root / path.relative_to(root) for path in paths if path.is_relative_to(root)]
                async for found in in_thread(folder.changed(here)):
                    yield found


async def _at_rest(roots: Sequence[Path]) -> AsyncGenerator[set[Path]]:
    """Several times a second, the paths that something has happened to, but nothing in the last second."""
    resting_at: dict[Path, float] = {}
    watcher = awatch(
        *roots,
        watch_filter=None,
        debounce=_TICK_MS,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with aclosing(watcher):
        async for changes in watcher:
            now = time.monotonic()
            touched = (Path(path) for change, path in changes if change is not Change.deleted)
            resting_at |= dict.fromkeys(touched, now + _REST_S)
            rested = {path for path, at in resting_at.items() if at <= now}
            for path in rested:
                del resting_at[path]
            yield rested
