"""The structure of HEIC and AVIF files: boxes (ISO/IEC 14496-12) that contain items (ISO/IEC 23008-12).

A file of a few bytes can claim millions of items and extents; the limits of the room that reads it end that.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared_code.errors import ImageFault, ImageFormatInvalid

type Bytes = memoryview


@dataclass(frozen=True)
class Box:
    """A box's type and content. `ends_early`: the file ends before the box does."""

    kind: bytes
    body: Bytes
    ends_early: bool


@dataclass(frozen=True)
class Property:
    """A property of an item. A reader that does not know an `essential` one must not show the item."""

    kind: bytes
    body: Bytes
    essential: bool


@dataclass(frozen=True)
class Extent:
    """A piece of an item, in the file or, if `inside`, in the box `idat`. `size` 0: all up to the end."""

    inside: bool
    at: int
    size: int


@dataclass(frozen=True)
class Items:
    """The items of a file. `kinds` and `properties` are by item; `references` by type and source item."""

    primary: int
    kinds: Mapping[int, bytes]
    properties: Mapping[int, tuple[Property, ...]]
    references: Mapping[tuple[bytes, int], tuple[int, ...]]
    _extents: Mapping[int, tuple[Extent, ...]]
    _data: Bytes
    _inside: Bytes

    def content(self, item: int) -> bytes:
        """The bytes of an item, its extents joined. Raises ImageFormatInvalid if the file ends before."""
        return b"".join(self._pieces(item))

    def _pieces(self, item: int) -> Iterator[Bytes]:
        for extent in self._extents.get(item, ()):
            source = self._inside if extent.inside else self._data
            size = extent.size or max(0, len(source) - extent.at)
            if extent.at + size > len(source):
                raise ImageFormatInvalid(ImageFault.TRUNCATED)
            yield source[extent.at : extent.at + size]


class _Reader:
    """Reads the big-endian numbers of a box in order. Raises struct.error at its end."""

    def __init__(self, body: Bytes) -> None:
        self.left = body

    def __call__(self, size: int) -> int:
        """The next number, of `size` bytes; 0 if `size` is 0."""
        return int.from_bytes(self.take(size))

    def take(self, size: int) -> Bytes:
        """The next bytes."""
        if size > len(self.left):
            raise struct.error("box ends early")
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def full(self) -> tuple[int, int]:
        """Version and flags, the first fields of a FullBox."""
        return self(1), self(3)


def read_items(data: bytes) -> Items:
    """Read the items of a file. Raises ImageFormatInvalid, or struct.error if a box is truncated."""
    view = memoryview(data)
    meta = next((box for box in boxes(view) if box.kind == b"meta"), None)
    if meta is None:
        raise ImageFormatInvalid
    found: dict[bytes, Bytes] = {}
    for box in boxes(meta.body[4:]):
        found.setdefault(box.kind, box.body)
    if not {b"pitm", b"iloc", b"iinf", b"iprp"} <= found.keys():
        raise ImageFormatInvalid
    return Items(
        _primary(_Reader(found[b"pitm"])),
        _kinds(_Reader(found[b"iinf"])),
        _properties(found[b"iprp"]),
        _references(_Reader(found[b"iref"])) if b"iref" in found else {},
        _extents(_Reader(found[b"iloc"])),
        view,
        found.get(b"idat", memoryview(b"")),
    )


def boxes(view: Bytes) -> Iterator[Box]:
    """The boxes in `view`. The last one may be truncated, as that of the pixels in a truncated file."""
    at = 0
    while at + 8 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", view, at + 8)
            head = 16
        elif size == 0:
            size = len(view) - at
        if size < head:
            raise ImageFormatInvalid
        yield Box(kind, view[at + head : at + size], at + size > len(view))
        at += size


def _primary(read: _Reader) -> int:
    version, _ = read.full()
    return read(4 if version else 2)


def _kinds(read: _Reader) -> dict[int, bytes]:
    """The type of each item. Items that are protected or have no type (versions 0 and 1) are left out."""
    version, _ = read.full()
    read(4 if version else 2)  # their number
    kinds: dict[int, bytes] = {}
    for box in boxes(read.left):
        info = _Reader(box.body)
        version, _ = info.full()
        if box.kind == b"infe" and version in (2, 3):
            item, protection, kind = info(2 if version == 2 else 4), info(2), bytes(info.take(4))
            if not protection:
                kinds.setdefault(item, kind)
    return kinds


def _extents(read: _Reader) -> dict[int, tuple[Extent, ...]]:
    version, _ = read.full()
    sizes = read(2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    if version > 2 or not {offset_size, length_size, base_size, index_size} <= {0, 4, 8}:
        raise ImageFormatInvalid
    found: dict[int, tuple[Extent, ...]] = {}
    for _ in range(read(2 if version < 2 else 4)):
        item = read(2 if version < 2 else 4)
        method = read(2) & 15 if version else 0
        elsewhere, base, pieces = read(2), read(base_size), read(2)
        extents = []
        for _ in range(pieces):
            read(index_size)
            extents.append(Extent(method == 1, base + read(offset_size), read(length_size)))
        if not elsewhere and method < 2:
            found.setdefault(item, tuple(extents))
    return found


def _properties(body: Bytes) -> dict[int, tuple[Property, ...]]:
    parts = list(boxes(body))
    known = [box for part in parts if part.kind == b"ipco" for box in boxes(part.body)]
    found: dict[int, tuple[Property, ...]] = {}
    for part in parts:
        if part.kind != b"ipma":
            continue
        read = _Reader(part.body)
        version, flags = read.full()
        wide = flags & 1
        for _ in range(read(4)):
            item, associations = read(4 if version else 2), read(1)
            values = [read(2 if wide else 1) for _ in range(associations)]
            essential, mask = (0x8000, 0x7FFF) if wide else (0x80, 0x7F)
            found.setdefault(
                item,
                tuple(
                    Property(box.kind, box.body, bool(value & essential))
                    for value in values
                    if (index := value & mask) and (box := _at(known, index - 1))
                ),
            )
    return found


def _at(known: list[Box], index: int) -> Box:
    if index >= len(known):
        raise ImageFormatInvalid
    return known[index]


def _references(read: _Reader) -> dict[tuple[bytes, int], tuple[int, ...]]:
    version, _ = read.full()
    width = 4 if version else 2
    found: dict[tuple[bytes, int], tuple[int, ...]] = defaultdict(tuple)
    for box in boxes(read.left):
        reference = _Reader(box.body)
        item, count = reference(width), reference(2)
        found.setdefault((box.kind, item), tuple(reference(width) for _ in range(count)))
    return dict(found)
