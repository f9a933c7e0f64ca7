"""A handler that serves a folder by ranges."""

from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Self

from tests.support.loopback import QuietHandler


class FolderFiles(QuietHandler):
    """The files of a folder, from the byte that is asked for on."""

    folder: ClassVar[Path]
    ranges: ClassVar[bool] = True
    _asked: ClassVar[dict[Path, list[tuple[str, int]]]] = {}

    @classmethod
    def of(cls, folder: Path) -> type[Self]:
        """A handler for that folder."""
        cls._asked[folder] = []
        return type(cls.__name__, (cls,), {"folder": folder})

    @classmethod
    def asked(cls, folder: Path) -> list[tuple[str, int]]:
        """What was asked for, and from which byte on."""
        return cls._asked[folder]

    def most_bytes(self, size: int) -> int:
        """How many of so many bytes are sent."""
        return size

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self._asked[self.folder].append((name, begin))
        if not (self.folder / name).is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        if not self.ranges:
            begin = 0
        rest = (self.folder / name).read_bytes()[begin:]
        self.send_response(HTTPStatus.PARTIAL_CONTENT if begin else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.most_bytes(len(rest))])
