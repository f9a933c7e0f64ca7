"""Writes results: into hidden files beside their targets, which are renamed when complete.

Network shares refuse some operations that disks support. For each there is a substitute, with one warning, so
that no answer is lost.
"""

import errno
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from segment_client.errors import Unwritable, printable

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Part:
    """A hidden file in the folder of its target, which is removed at the end unless it is `kept`."""

    file: BinaryIO
    path: Path
    target: Path
    kept: bool = False


class Saver:
    """Saves the results of a run."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    @contextmanager
    def beside(self, target: Path) -> Iterator[Part]:
        """A new part. Raises Unwritable if it cannot be made, or if `target` cannot be the name of a file."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            modified_ns(target)
            path = target.with_name(f".{secrets.token_hex(8)}.part")
            file = path.open("x+b")
        except OSError as error:
            raise _unwritable(target, error) from error
        part = Part(file, path, target)
        try:
            yield part
        finally:
            with suppress(OSError):
                file.close()
            if not part.kept:
                with suppress(OSError):
                    path.unlink()

    def put(self, part: Part) -> int:
        """Move a complete part to its target; its size in bytes. Raises Unwritable, and keeps the part."""
        try:
            part.file.flush()
            size = os.fstat(part.file.fileno()).st_size
            self._sync(part)
            part.file.close()
        except OSError as error:
            raise _unwritable(part.target, error) from error
        try:
            part.path.replace(part.target)
        except OSError as error:
            self._put_without_replacing(part, error)
        return size

    def warn_once(self, key: str, line: str) -> None:
        """Log a warning, once for each key."""
        if key not in self._told:
            self._told.add(key)
            log.warning("%s", printable(line))

    def _sync(self, part: Part) -> None:
        try:
            os.fsync(part.file.fileno())
        except OSError as error:
            if error.errno in _FULL:
                raise
            self.warn_once(
                "sync",
                f"{part.target.parent} cannot sync files ({error.strerror}); "
                "what was written last may be lost when its machine fails.",
            )

    def _put_without_replacing(self, part: Part, refused: OSError) -> None:
        try:
            _move(part)
        except OSError as error:
            part.kept = True
            raise Unwritable(f"{part.target}: {_text(error)}. The result is {part.path}") from error
        self.warn_once(
            "replace",
            f"{part.target.parent} cannot replace files by renaming ({refused.strerror}); "
            "they are removed first.",
        )


def modified_ns(target: Path) -> int | None:
    """When the file was written; None if it does not exist or is empty.

    Raises OSError if there cannot be one: the name is a folder's, or the path is too long.
    """
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    return status.st_mtime_ns if stat.S_ISREG(status.st_mode) and status.st_size else None


def _move(part: Part) -> None:
    part.path.stat()  # the old file is removed only if there is a new one
    with suppress(FileNotFoundError):
        part.target.unlink()
    try:
        part.path.rename(part.target)
    except OSError:
        shutil.copyfile(part.path, part.target)


def _unwritable(target: Path, error: OSError) -> Unwritable:
    return Unwritable(f"{target}: {_text(error)}")


def _text(error: OSError) -> str:
    return error.strerror or str(error)
