"""The pictures of a folder and of its subfolders.

They are searched as they are needed: only the names of one folder, and of the visited folders, are in memory.
"""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from segment_client.errors import ClientError, NotTaken, Unreadable, printable
from segment_client.placing import result_names

log = logging.getLogger(__name__)

_TAKEN = ".jpg .jpeg .jpe .jfif .mpo .png .gif .bmp .dib .webp .ico .tif .tiff"
MAYBE_TAKEN = frozenset((".avif", ".heic", ".heif", ".hif"))
"""Suffixes of formats that the service accepts where its operator has asked for them."""
PICTURES = MAYBE_TAKEN.union(_TAKEN.split())
"""Suffixes of the formats that the service accepts (docs/api.md)."""

_PHONES = ".heics .avifs .jxl"
_CAMERAS = """
    .dng .raw .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .iiq
    .erf .kdc .dcr .mrw .rwl
"""
_PROGRAMS = """
    .psd .psb .xcf .kra .afphoto .svg .svgz .eps .ai .cdr .emf .wmf .pict .icns .apng
    .jp2 .j2k .j2c .jpf .jpx .jpm .jls .jxr .hdp .wdp .qoi .tga .pcx .dds .exr .pbm .pgm .ppm .pnm .pam
    .xbm .xpm
"""
NOT_TAKEN = frozenset((_PHONES + _CAMERAS + _PROGRAMS).split())
"""Suffixes of pictures that it does not accept."""

_LONGEST_TOLD = 6


@dataclass(frozen=True)
class Placed:
    """A source, which is a file or a URL, and the file for its result.

    `touched`: the system has reported a change of the file, even if its times are the same.
    """

    source: Path | str
    target: Path
    touched: bool = False


@dataclass(frozen=True)
class Lost:
    """A source that can have no result."""

    source: Path | str
    error: ClientError


Found: TypeAlias = Placed | Lost


@dataclass
class Folder:
    """A folder of sources, whose structure is repeated below `target`.

    `out` is never searched, nor are hidden files and folders (`.name`). Links to folders are followed; each
    real folder is visited once. `passed_over` counts, by suffix, the files whose names are not those of
    pictures.
    """

    root: Path
    target: Path
    out: Path
    suffix: str
    passed_over: Counter[str] = field(default_factory=Counter)

    def pictures(self) -> Iterator[list[Found]]:
        """All pictures, folder by folder, sorted by name."""
        return self._walk(self.root, self.target)

    def changed(self, paths: Iterable[Path]) -> Iterator[list[Found]]:
        """The pictures now at these paths below the root, which may be folders too."""
        by_folder: dict[Path, set[str]] = defaultdict(set)
        for path in paths:
            relative = path.relative_to(self.root)
            if relative.parts and not any(part.startswith(".") for part in relative.parts):
                by_folder[path.parent].add(path.name)
        listings: dict[Path, _Listing] = {}
        for parent, names in sorted(by_folder.items()):
            if self._is_out(os.path.realpath(parent)):
                continue
            try:
                listing = self._listing_of(parent, listings)
            except OSError as error:
                log.warning("%s: %s", printable(str(parent)), error.strerror or error)
                continue
            here = [found for found in listing.files if Path(found.source).name in names]
            yield [replace(found, touched=True) if isinstance(found, Placed) else found for found in here]
            for folder in sorted(parent / name for name in names):
                if folder in listing.folders:
                    yield from self._walk(folder, listing.folders[folder])

    def _walk(self, start: Path, target: Path) -> Iterator[list[Found]]:
        visited: set[str] = set()
        waiting = [(start, target)]
        while waiting:
            folder, target = waiting.pop()
            real = os.path.realpath(folder)
            if real in visited or self._is_out(real):
                continue
            visited.add(real)
            try:
                listing = self._list(folder, target)
            except OSError as error:
                yield [Lost(folder, Unreadable(error.strerror or str(error)))]
                continue
            self.passed_over.update(listing.passed_over)
            yield listing.files
            waiting.extend(reversed(listing.folders.items()))

    def _is_out(self, real: str) -> bool:
        return Path(real).is_relative_to(os.path.realpath(self.out))

    def _listing_of(self, folder: Path, known: dict[Path, "_Listing"]) -> "_Listing":
        """The listing of a folder below the root; `known` caches listings."""
        if folder not in known:
            target = self.target
            if folder != self.root:
                siblings = self._listing_of(folder.parent, known).folders
                target = siblings.get(folder) or self.target / folder.relative_to(self.root)
            known[folder] = self._list(folder, target)
        return known[folder]

    def _list(self, folder: Path, target: Path) -> "_Listing":
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if entry.name[0] != "."), key=lambda one: one.name)
        folders = [entry.name for entry in entries if is_folder(entry)]
        known = frozenset(folders)
        others = [entry for entry in entries if entry.name not in known]
        taken = [entry.name for entry in others if _suffix(entry.name) in PICTURES]
        places = result_names(taken, folders, self.suffix)
        files = [_found(folder / entry.name, entry, target, places) for entry in others]
        return _Listing(
            [found for found in files if found],
            {folder / name: target / places[name] for name in folders},
            Counter(
                _told_suffix(entry.name) for entry, found in zip(others, files, strict=True) if not found
            ),
        )


@dataclass(frozen=True)
class _Listing:
    """One folder: its pictures, its subfolders with their targets, and counts of other files by suffix."""

    files: list[Found]
    folders: dict[Path, Path]
    passed_over: Counter[str]


def _found(source: Path, entry: os.DirEntry[str], target: Path, places: dict[str, str]) -> Found | None:
    if _suffix(entry.name) in NOT_TAKEN:
        return Lost(source, NotTaken(_suffix(entry.name)))
    if entry.name not in places:
        return None
    try:
        is_file = entry.is_file()
    except OSError:
        is_file = False
    if is_file:
        return Placed(source, target / places[entry.name])
    return Lost(source, Unreadable("not a regular file" if os.access(source, os.F_OK) else "no such file"))


def is_folder(path: Path | os.DirEntry[str]) -> bool:
    """Whether it is a folder; False if that cannot be found out."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _suffix(name: str) -> str:
    """The part of a file's name from its last dot on, in lower case."""
    return Path(name).suffix.lower()


def _told_suffix(name: str) -> str:
    """The suffix under which a skipped file is counted."""
    suffix = _suffix(name)
    return suffix if 0 < len(suffix) <= _LONGEST_TOLD else "other"
