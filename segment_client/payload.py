"""What is sent for a source: its bytes, within the API's limit, or its URL; and a digest of that."""

import hashlib
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from segment_client.connection import BytesOrUrl
from segment_client.errors import MAX_PICTURE_BYTES, TooLarge, Unreadable

_COARSEST_CLOCK_NS = 3_000_000_000
"""More than FAT's resolution of 2 s, within which a changed file may look unchanged."""

Stamp: TypeAlias = tuple[int, int, int, int]
"""Of a file: its size in bytes, when its content and when anything of it changed, in ns, and its inode."""


@dataclass(frozen=True)
class Payload:
    """What to send. `digest` is that of the bytes or of the URL.

    `stamp` is None if an equal stamp later would not prove that the file is unchanged.
    """

    content: BytesOrUrl
    digest: str
    stamp: Stamp | None
    modified_ns: int


def read_payload(source: Path | str) -> Payload:
    """Raises Unreadable and TooLarge."""
    if isinstance(source, str):
        return Payload(source, hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest(), None, 0)
    try:
        with source.open("rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise Unreadable("not a regular file")
            if not 0 < before.st_size <= MAX_PICTURE_BYTES:
                raise TooLarge
            data = read_stream(file)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    return Payload(data, hashlib.sha256(data).hexdigest(), _lasting(before, after), after.st_mtime_ns)


def read_stream(stream: BinaryIO) -> bytes:
    """All bytes of the stream. Raises TooLarge, and then reads no further."""
    data = stream.read(MAX_PICTURE_BYTES + 1)
    if not 0 < len(data) <= MAX_PICTURE_BYTES:
        raise TooLarge
    return data


def stamp_of(status: os.stat_result) -> Stamp:
    """A stamp that differs if the file was changed or replaced, as far as the file system's clock shows."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _lasting(before: os.stat_result, after: os.stat_result) -> Stamp | None:
    now = time.time_ns()
    changed_ns = [after.st_mtime_ns] + ([] if sys.platform == "win32" else [after.st_ctime_ns])
    is_recent = any(abs(now - at) < _COARSEST_CLOCK_NS for at in changed_ns)
    return stamp_of(before) if stamp_of(before) == stamp_of(after) and not is_recent else None
