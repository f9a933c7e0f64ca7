"""Names of results: one for each source, and no two alike.

A result is named after the whole file name of its picture, `photo.jpg` becomes `photo.jpg.png`, so that
`photo.jpg` and `photo.png` do not collide. Names that differ in letter case or in Unicode normalization only
are the same file on Windows and macOS; they get a mark made from the exact name, on every system.
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

_MAX_NAME_BYTES = 240  # file systems allow 255; temporary names are longer than the result's
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def result_names(names: Iterable[str], folders: Iterable[str], suffix: str) -> dict[str, str]:
    """The names of results of the files and the subfolders of one folder, by the name of each source."""
    wanted = {name: _fitting(name, suffix) for name in names} | {name: name for name in folders}
    taken = Counter(_folded(result) for result in wanted.values())
    return {
        name: result if taken[_folded(result)] == 1 else _marked(name, result)
        for name, result in wanted.items()
    }


def url_name(url: str) -> str:
    """A file name from the last part of a URL's path, valid on any file system."""
    parts = urlsplit(url)
    last = unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.netloc
    name = re.sub(r"[^\w.-]+", "_", last).strip(".")[:100] or "picture"
    return f"_{name}" if _WINDOWS_DEVICES.match(name) else name


def mark(exact: str) -> str:
    """Eight letters and digits, a digest of the exact name."""
    return hashlib.sha256(os.fsencode(exact)).hexdigest()[:8]


def _fitting(name: str, suffix: str) -> str:
    if len(os.fsencode(name + suffix)) <= _MAX_NAME_BYTES:
        return name + suffix
    end = f"~{mark(name)}{suffix}"
    start = os.fsencode(name)[: _MAX_NAME_BYTES - len(end)]
    return start.decode("utf-8", "ignore") + end


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _marked(name: str, result: str) -> str:
    stem, dot, suffix = result.rpartition(".") if result != name else (result, "", "")
    return f"{stem}~{mark(name)}{dot}{suffix}"
