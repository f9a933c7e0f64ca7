"""Pictures from files and from standard input, never more of one than the API takes."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from segment_client.connection import Body
from segment_client.errors import MAX_PICTURE_BYTES, TooLarge, Unreadable


def read_picture(source: Path | str) -> tuple[Body, float]:
    """What is to be sent, and when it was last modified. Raises Unreadable and TooLarge."""
    if isinstance(source, str):
        return source, 0.0
    try:
        with source.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("not a regular file")
            if not 0 < status.st_size <= MAX_PICTURE_BYTES:
                raise TooLarge
            return read_stream(file), status.st_mtime
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error


def read_stream(stream: BinaryIO) -> bytes:
    """All that comes. Raises TooLarge, without reading on."""
    data = stream.read(MAX_PICTURE_BYTES + 1)
    if not 0 < len(data) <= MAX_PICTURE_BYTES:
        raise TooLarge
    return data
