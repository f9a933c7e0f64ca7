"""The sources a caller names, files, folders and URLs, and where the result of each belongs."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segment_client.errors import Unreadable
from segment_client.folder import Folder, Found, Lost, Picture
from segment_client.placing import mark, result_names, url_name

type Source = str | Path


@dataclass(frozen=True)
class Sources:
    """Single pictures first, then folders."""

    singles: list[Found]
    folders: list[Folder]

    def all(self) -> Iterator[Found]:
        """Everything that is there now."""
        yield from self.singles
        for folder in self.folders:
            yield from folder.pictures()

    def passed_over(self) -> Counter[str]:
        """Files in the folders whose names are not those of pictures, by suffix; complete after `all`."""
        return sum((folder.passed_over for folder in self.folders), Counter())


def is_url(source: Source) -> bool:
    """Whether the service shall fetch it."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def locate(sources: Sequence[Source], out: Path, suffix: str) -> Sources:
    """Give each source its place below `out`.

    The pictures of a folder that is named alone go straight into `out`; beside other sources each folder gets
    one of its own there. Raises ValueError for a folder that is `out` or lies in it.
    """
    urls = [str(source) for source in sources if is_url(source)]
    paths = list(dict.fromkeys(Path(source) for source in sources if not is_url(source)))
    folders = [path for path in paths if path.is_dir()]
    files = [path for path in paths if path not in set(folders)]
    for folder in folders:
        _check_apart(folder, out)
    if len(folders) == 1 and not files and not urls:
        return Sources([], [Folder(folders[0], out, out, suffix)])
    wished = {url: url_name(url) for url in urls} | {
        str(path): path.name or path.resolve().name for path in files
    }
    named = _distinct(wished)
    own = _distinct({str(folder): folder.resolve().name or "root" for folder in folders})
    results = result_names(named.values(), own.values(), suffix)
    pictures: list[Found] = [Picture(url, out / results[named[url]]) for url in urls]
    pictures += [_file(path, out / results[named[str(path)]]) for path in files]
    return Sources(
        pictures,
        [Folder(folder, out / results[own[str(folder)]], out, suffix) for folder in folders],
    )


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """The same names, marked where two sources want the same."""
    taken = Counter(names.values())
    return {source: name if taken[name] == 1 else _with_mark(name, source) for source, name in names.items()}


def _with_mark(name: str, source: str) -> str:
    stem, suffix = os.path.splitext(name)
    return f"{stem}~{mark(source)}{suffix}"


def _check_apart(folder: Path, out: Path) -> None:
    real, target = folder.resolve(), out.resolve()
    if real == target or target in real.parents:
        raise ValueError(f"{folder} lies in {out}: results would be written among the sources")


def _file(path: Path, target: Path) -> Found:
    if path.is_file():
        return Picture(path, target)
    return Lost(path, Unreadable("not a regular file" if path.exists() else "no such file or folder"))
