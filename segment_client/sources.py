"""The sources of a run: files, folders and URLs, and the target of each."""

import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeAlias

from segment_client.errors import Unreadable
from segment_client.folder import Folder, Found, Lost, Placed, is_folder
from segment_client.placing import mark, result_names, url_name

PathOrUrl: TypeAlias = str | Path


@dataclass(frozen=True)
class Located:
    """Single pictures first, then folders."""

    singles: list[Found]
    folders: list[Folder]

    def all(self) -> Iterator[list[Found]]:
        """All pictures, folder by folder."""
        yield self.singles
        for folder in self.folders:
            yield from folder.pictures()

    def passed_over(self) -> Counter[str]:
        """Counts, by suffix, of files whose names are not those of pictures; complete after `all`."""
        return sum((folder.passed_over for folder in self.folders), Counter())


def is_url(source: PathOrUrl) -> bool:
    """Whether it is a URL, which the service fetches."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def locate(sources: Sequence[PathOrUrl], out: Path, suffix: str) -> Located:
    """Choose the target of each source below `out`.

    If the only source is a folder, its results go directly into `out`. Otherwise each folder gets a folder of
    its own there. Raises ValueError for a folder that is `out` or lies in it.
    """
    urls = [str(source) for source in sources if is_url(source)]
    paths = list(dict.fromkeys(Path(source) for source in sources if not is_url(source)))
    folders = [path for path in paths if is_folder(path)]
    known = frozenset(folders)
    files = [path for path in paths if path not in known]
    for folder in folders:
        _check_apart(folder, out)
    if len(folders) == 1 and not files and not urls:
        return Located([], [Folder(folders[0], out, out, suffix)])
    wished = {url: url_name(url) for url in urls} | {
        str(path): path.name or path.resolve().name for path in files
    }
    named = _distinct(wished)
    own = _distinct({str(folder): folder.resolve().name or "root" for folder in folders})
    results = result_names(named.values(), own.values(), suffix)
    pictures: list[Found] = [Placed(url, out / results[named[url]]) for url in urls]
    pictures += [_file(path, out / results[named[str(path)]]) for path in files]
    return Located(
        pictures,
        [Folder(folder, out / results[own[str(folder)]], out, suffix) for folder in folders],
    )


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """The same names, with a mark where two sources have the same."""
    taken = Counter(names.values())
    return {source: name if taken[name] == 1 else _with_mark(name, source) for source, name in names.items()}


def _with_mark(name: str, source: str) -> str:
    path = PurePath(name)
    return f"{path.stem}~{mark(source)}{path.suffix}"


def _check_apart(folder: Path, out: Path) -> None:
    real, target = folder.resolve(), out.resolve()
    if real == target or target in real.parents:
        raise ValueError(f"{folder} lies in {out}: results would be written among the sources")


def _file(path: Path, target: Path) -> Found:
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        return Lost(path, Unreadable(error.strerror or str(error)))
    return Placed(path, target) if is_file else Lost(path, Unreadable("not a regular file"))
