"""Records what was sent for each result. These records, not clocks, decide whether a source is new or
changed.

Every folder of results has a hidden file of JSON lines; the last line of a result counts. If the folder is
moved, its file moves with it. Several processes may append to it. Incomplete lines of killed processes are
ignored.
"""

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segment_client.payload import Stamp

FILE_NAME = ".segment-client.jsonl"
_FOLDERS_IN_MEMORY = 64
_SPARE_LINES = 1000


@dataclass(frozen=True)
class Sent:
    """What a result was made from: digest of what was sent, look, and stamp of the source."""

    digest: str
    look: str
    stamp: Stamp | None


class Record:
    """The records of the folders of results; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: OrderedDict[Path, dict[str, Sent]] = OrderedDict()

    def get(self, target: Path) -> Sent | None:
        """What `target` was made from; None if unknown."""
        with self._lock:
            return self._folder(target.parent).get(target.name)

    def add(self, target: Path, sent: Sent) -> None:
        """Keep it for later runs. Raises OSError if the file cannot be written; this run remembers it."""
        with self._lock:
            self._folder(target.parent)[target.name] = sent
            with (target.parent / FILE_NAME).open("ab") as file:
                file.write(
                    b"\n" + _line(target.name, sent)
                )  # begins a new line, in case the last one is incomplete

    def _folder(self, folder: Path) -> dict[str, Sent]:
        if folder in self._folders:
            self._folders.move_to_end(folder)
            return self._folders[folder]
        self._folders[folder] = known = _read(folder / FILE_NAME)
        if len(self._folders) > _FOLDERS_IN_MEMORY:
            self._folders.popitem(last=False)
        return known


def _read(path: Path) -> dict[str, Sent]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    rows = [line for line in lines if line]
    known = {name: sent for line in rows for name, sent in _parsed(line)}
    if len(rows) > 2 * len(known) + _SPARE_LINES:
        with suppress(OSError):
            _rewrite(path, known)
    return known


def _rewrite(path: Path, known: dict[str, Sent]) -> None:
    """Remove the lines that no longer count."""
    shorter = path.with_name(f"{FILE_NAME}.{os.getpid()}.part")
    shorter.write_bytes(b"".join(_line(name, sent) for name, sent in known.items()))
    shorter.replace(path)


def _line(name: str, sent: Sent) -> bytes:
    row = {"result": name, "sent": sent.digest, "look": sent.look, "stamp": sent.stamp}
    return f"{json.dumps(row)}\n".encode("ascii")


def _parsed(line: bytes) -> Iterator[tuple[str, Sent]]:
    try:
        row = json.loads(line)
        stamp = None if row["stamp"] is None else tuple(map(int, row["stamp"]))
        if stamp is None or len(stamp) == 4:
            yield str(row["result"]), Sent(str(row["sent"]), str(row["look"]), stamp)
    except (ValueError, LookupError, TypeError, RecursionError):
        return
