"""The picture in a multipart/form-data body (RFC 7578), found while the body arrives.

Clients send parts without name and type, folded header fields, preambles and bare line feeds. No parser that
we know reads all of these in time that is linear in the size. This one does: its expressions never backtrack,
and the number and size of a form's parts are limited.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from shared_code.errors import ImageFault, ImageFormatInvalid, ImageSizeNotAllowed
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.picture.formats import FORMATS, SIGNATURE_BYTES, Format, begins_as_picture

MAX_PARTS: Final = 1000
MAX_PART_HEADER_BYTES: Final = 16 << 10
MAX_HEADER_BYTES: Final = 256 << 10
"""Of all parts together."""
MAX_PREAMBLE_BYTES: Final = 64 << 10
_MAX_BOUNDARY_CHARS: Final = 256
_MAX_PADDING_BYTES: Final = 64

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"((?:\\.|[^"\\])*+)"|([^";]*+))', re.IGNORECASE)
_QUOTED_PAIR = re.compile(r"\\(.)")
_HEADERS_END = re.compile(rb"(?:\A|\n)\r?\n")
_HEADERS_END_BYTES: Final = len(b"\n\r\n")
# RFC 5322: a name without blanks before the colon; a line that begins with a blank continues the last one.
# The fields end at the first line that is neither.
_FIELDS = re.compile(rb"(?:(?:[!-9;-~]*+:|[ \t]|From )[^\r\n]*+(?:\r\n|\r|\n|\Z))*+")
_TYPE_AND_DISPOSITION = re.compile(
    rb"(?:^|(?<=[\r\n]))content-(?P<name>type|disposition):"
    rb"(?P<value>[^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+)",
    re.IGNORECASE,
)
# An unclosed quote extends to the end, so that each character is read once.
_QUOTED_STRING = re.compile(r'"(?:\\.|[^"\\])*+"?', re.DOTALL)
_IMAGE_TYPE = re.compile(r"image/[^/]*+")
_FILE_NAME = re.compile(r";\s*filename(?:\*\d*\*?)?\s*=", re.IGNORECASE)


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type field; b"" if there is no usable one."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        return b""
    quoted, token = match.groups()
    boundary = token.strip() if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
    return boundary.encode("latin-1") if len(boundary) <= _MAX_BOUNDARY_CHARS else b""


class PictureFinder:
    """Keeps the picture of a form and drops everything else, chunk by chunk.

    The picture is the first part that is marked as a file and not empty; when no part is, the first one whose
    bytes begin as a picture's do. A part is marked by a file name, or by the content type of an image or of
    application/octet-stream. If the form is malformed or exceeds a limit, the parts before that count.
    """

    def __init__(self, boundary: bytes, formats: Sequence[Format] = FORMATS) -> None:
        self._formats = formats
        self._boundary = re.escape(boundary)
        self._tail_bytes = len(b"\r\n--") + len(boundary) + _MAX_PADDING_BYTES + len(b"\r\n")
        self._delimiter = self._delimiter_after(b"\n")
        self._pending = bytearray(b"\r\n")  # the first delimiter may begin the body
        self._read: Callable[[], bool] = self._preamble if boundary else self._epilogue
        self._skipped_bytes = 0
        self._header_bytes = 0
        self._parts = 0
        self._searched_bytes = 0  # of the header fields, whose end was not found yet
        self._part = _Part(self._formats, marked=False)
        self._unmarked: _Part | None = None
        self._file: _Part | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body. Raises ImageSizeNotAllowed for a picture that is too large."""
        self._pending += chunk
        while self._read():
            pass

    def picture(self) -> bytes:
        """The picture, once the body has ended.

        Raises ImageSizeNotAllowed when the form holds none, ImageFormatInvalid when it breaks off in it.
        """
        self.feed(b"\r\n")  # the last delimiter may end the body
        if self._read == self._content:
            self._keep(self._take(len(self._pending)))
            if self._part.is_picture:
                raise ImageFormatInvalid(ImageFault.BROKE_OFF)
        found = self._file or self._unmarked
        if found is None:
            raise ImageSizeNotAllowed
        return bytes(found.content)

    def _delimiter_after(self, line_end: bytes) -> re.Pattern[bytes]:
        padding = b"[ \\t]{0,%d}" % _MAX_PADDING_BYTES
        return re.compile(
            line_end + b"--" + self._boundary + b"(?:(?P<last>--)|" + padding + b"(?P<line_end>\r?\n))"
        )

    def _preamble(self) -> bool:
        delimiter = self._delimiter.search(self._pending)
        skip = delimiter.start() if delimiter else len(self._pending) - self._tail_bytes
        if self._skipped_bytes + skip > MAX_PREAMBLE_BYTES:
            self._read = self._epilogue
            return True
        if delimiter is None:
            self._skipped_bytes += len(self._take(skip))
            return False
        if delimiter["line_end"]:
            # Only the form's own line end: a picture may end in a carriage return.
            self._delimiter = self._delimiter_after(bytes(delimiter["line_end"]))
        return self._pass(delimiter)

    def _headers(self) -> bool:
        end = _HEADERS_END.search(self._pending, self._searched_bytes, MAX_PART_HEADER_BYTES)
        if end is None:
            if len(self._pending) >= MAX_PART_HEADER_BYTES:
                self._read = self._epilogue
                return True
            self._searched_bytes = max(0, len(self._pending) - _HEADERS_END_BYTES)
            return False
        self._searched_bytes = 0
        block = self._take(end.end())
        self._parts += 1
        self._header_bytes += len(block)
        if self._parts > MAX_PARTS or self._header_bytes > MAX_HEADER_BYTES:
            self._read = self._epilogue
            return True
        self._part = _Part(self._formats, marked=_is_marked(bytes(block)))
        self._read = self._content
        return True

    def _content(self) -> bool:
        delimiter = self._delimiter.search(self._pending)
        if delimiter is None:
            self._keep(self._take(len(self._pending) - self._tail_bytes))
            return False
        self._keep(self._pending[: delimiter.start()])
        if self._part.is_picture and self._part.marked:
            self._file = self._part
        elif self._part.is_picture:
            self._unmarked = self._unmarked or self._part
        return self._pass(delimiter)

    def _epilogue(self) -> bool:
        self._pending.clear()
        return False

    def _pass(self, delimiter: re.Match[bytes]) -> bool:
        self._read = self._epilogue if delimiter["last"] or self._file else self._headers
        self._take(delimiter.end())
        self._part = _Part(self._formats, marked=False)
        return True

    def _keep(self, content: bytearray) -> None:
        if not self._part.marked and self._unmarked:
            return
        self._part.add(content)

    def _take(self, count: int) -> bytearray:
        count = max(0, count)
        taken = self._pending[:count]
        del self._pending[:count]
        return taken


class _Part:
    """The content of one part, as far as it may be the picture."""

    def __init__(self, formats: Sequence[Format], *, marked: bool) -> None:
        self._formats = formats
        self.marked = marked
        self.content = bytearray()

    @property
    def is_picture(self) -> bool:
        return bool(self.content) if self.marked else begins_as_picture(self.content, self._formats)

    def add(self, content: bytearray) -> None:
        self.content += content
        if not self.marked and not self.is_picture:
            del self.content[SIGNATURE_BYTES:]  # enough to see that it is no picture
        if len(self.content) > MAX_IMAGE_BYTES:
            raise ImageSizeNotAllowed


def _is_marked(block: bytes) -> bool:
    """Whether the header fields mark a file; the first of repeated fields counts."""
    fields: dict[bytes, str] = {}
    for field in _TYPE_AND_DISPOSITION.finditer(block, 0, _end_of_fields(block)):
        # ISO 8859-1 has a character for every byte; only ASCII ones are looked at.
        fields.setdefault(field["name"].lower(), field["value"].decode("latin-1"))
    media_type = fields.get(b"type", "").partition(";")[0].strip().lower()
    if media_type == "application/octet-stream" or _IMAGE_TYPE.fullmatch(media_type):
        return True
    disposition = _QUOTED_STRING.sub("", fields.get(b"disposition", ""))
    return _FILE_NAME.search(disposition) is not None


def _end_of_fields(block: bytes) -> int:
    fields = _FIELDS.match(block)
    return fields.end() if fields else 0
