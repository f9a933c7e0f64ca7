"""The pictures of a folder and of all below it.

They are found while they are needed; in memory are the names of one folder, and of the folders seen.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segment_client.errors import ClientError, Unreadable
from segment_client.placing import result_names

PICTURE_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".dib",
        ".webp",
        ".ico",
        ".tif",
        ".tiff",
        ".mpo",
    )
)
_LONGEST_SUFFIX_TOLD = 6


@dataclass(frozen=True)
class Picture:
    """A source, a file or a URL, and the file its result belongs in."""

    source: Path | str
    target: Path


@dataclass(frozen=True)
class Lost:
    """A source of which no picture can be had."""

    source: Path | str
    error: ClientError


type Found = Picture | Lost


@dataclass
class Folder:
    """A folder of sources, and the folder that gets the same shape below `target`.

    `out` is never searched, nor are hidden files and folders (`.name`). Links to folders are followed; each
    real folder is visited once. `passed_over` counts, by suffix, the files whose names are not those of
    pictures.
    """

    root: Path
    target: Path
    out: Path
    suffix: str
    passed_over: Counter[str] = field(default_factory=Counter)

    def pictures(self) -> Iterator[Found]:
        """Everything there is, in the order of names."""
        yield from self._walk(self.root, self.target)

    def changed(self, paths: Iterable[Path]) -> Iterator[Found]:
        """What is at those paths below the root by now: pictures, or folders of them."""
        by_folder: dict[Path, set[str]] = defaultdict(set)
        for path in paths:
            relative = path.relative_to(self.root)
            if relative.parts and not any(part.startswith(".") for part in relative.parts):
                by_folder[path.parent].add(path.name)
        for parent, names in sorted(by_folder.items()):
            if self._is_out(parent):
                continue
            listing = self._list(parent, self._place(parent))
            yield from (found for found in listing.files if Path(found.source).name in names)
            for folder, target in listing.folders:
                if folder.name in names:
                    yield from self._walk(folder, target)

    def _walk(self, start: Path, target: Path) -> Iterator[Found]:
        visited: set[str] = set()
        waiting = [(start, target)]
        while waiting:
            folder, target = waiting.pop()
            real = os.path.realpath(folder)
            if real in visited or self._is_out(folder):
                continue
            visited.add(real)
            try:
                listing = self._list(folder, target)
            except OSError as error:
                yield Lost(folder, Unreadable(error.strerror or str(error)))
                continue
            self.passed_over.update(listing.passed_over)
            yield from listing.files
            waiting.extend(reversed(listing.folders))

    def _is_out(self, folder: Path) -> bool:
        real, out = Path(os.path.realpath(folder)), Path(os.path.realpath(self.out))
        return real == out or out in real.parents

    def _place(self, folder: Path) -> Path:
        """The folder of results that belongs to a folder of sources."""
        if folder == self.root:
            return self.target
        siblings = self._list(folder.parent, self._place(folder.parent)).folders
        return next((target for sibling, target in siblings if sibling == folder), self.target / folder.name)

    def _list(self, folder: Path, target: Path) -> "_Listing":
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        folders = [name for name in names if os.path.isdir(folder / name)]
        others = [name for name in names if name not in set(folders)]
        pictures = [name for name in others if is_picture_name(name)]
        results = result_names(pictures, folders, self.suffix)
        return _Listing(
            [_found(folder / name, target / results[name]) for name in pictures],
            [(folder / name, target / results[name]) for name in folders],
            Counter(_told_suffix(name) for name in others if not is_picture_name(name)),
        )


@dataclass(frozen=True)
class _Listing:
    """One folder: its pictures, its subfolders with their places, and what else is there, by suffix."""

    files: list[Found]
    folders: list[tuple[Path, Path]]
    passed_over: Counter[str]


def is_picture_name(name: str) -> bool:
    """Whether a file's name ends as those of an accepted format do."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _found(source: Path, target: Path) -> Found:
    if source.is_file():
        return Picture(source, target)
    return Lost(source, Unreadable("no such file" if not source.exists() else "not a regular file"))


def _told_suffix(name: str) -> str:
    suffix = os.path.splitext(name)[1].lower()
    return suffix if 0 < len(suffix) <= _LONGEST_SUFFIX_TOLD else "other"
