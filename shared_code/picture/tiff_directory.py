"""Directories of TIFF 6.0 and BigTIFF: one read, one written for a decoder, camera raw told."""

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from shared_code.errors import ImageFormatInvalid

_SUBFILE, _PHOTOMETRIC, _SUB_DIRECTORIES = 254, 262, 330
_RAW_MARKS = (50706, 37398)
"""DNGVersion, and the standard's name in TIFF/EP."""
_RAW_PHOTOMETRIC = (32803, 34892)
"""A colour filter array, and linear raw."""
_FIELD = {1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "c", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_FIELD |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
_RATIONAL, _LAST_CLASSIC_FIELD = 5, 13
_LONGEST_SHORT = (1 << 16) - 1

type Field = tuple[int, int, bytes]
"""Field type, count of values, and their bytes."""


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    at: int

    @property
    def size(self) -> int:
        return struct.calcsize("=" + _FIELD[self.kind]) * self.count


class Directory:
    """One directory, its values read when they are asked for."""

    def __init__(self, data: bytes, order: str, big: bool, at: int) -> None:
        self._data, self._order = data, order
        self.entries: dict[int, _Entry] = {}
        head, inline, word = ("Q", 8, "Q") if big else ("H", 4, "I")
        step = 4 + 2 * inline
        (count,) = struct.unpack_from(order + head, data, at)
        at += struct.calcsize(order + head)
        for begin in range(at, at + step * count, step):
            tag, kind, values = struct.unpack_from(order + "HH" + word, data, begin)
            if kind not in _FIELD or tag in self.entries:
                continue
            entry = _Entry(kind, values, begin + 4 + inline)
            if entry.size > inline:
                (place,) = struct.unpack_from(order + word, data, entry.at)
                entry = _Entry(kind, values, place)
            self.entries[tag] = entry
        (self.next,) = struct.unpack_from(order + word, data, at + step * count)

    def raw(self, tag: int, most: int) -> bytes:
        """The bytes of a tag's values; nothing when it is missing or has more than `most` values."""
        entry = self.entries.get(tag)
        if entry is None or entry.count > most or entry.at + entry.size > len(self._data):
            return b""
        return self._data[entry.at : entry.at + entry.size]

    def numbers(self, tag: int, most: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The integers of a tag. Raises ImageFormatInvalid when they are not, or more than `most`."""
        entry = self.entries.get(tag)
        if entry is None:
            return default
        if _FIELD[entry.kind] not in "BHIQ" or entry.count > most:
            raise ImageFormatInvalid
        return struct.unpack_from(f"{self._order}{entry.count}{_FIELD[entry.kind]}", self._data, entry.at)

    def number(self, tag: int, default: int) -> int:
        """The one integer of a tag."""
        return (self.numbers(tag, 64) or (default,))[0]

    def fractions(self, tag: int, most: int) -> tuple[float, ...]:
        """The values of a tag of unsigned fractions; nothing when it has none."""
        raw = self.raw(tag, most)
        if not raw or self.entries[tag].kind != _RATIONAL:
            return ()
        pairs = struct.iter_unpack(self._order + "II", raw)
        return tuple(above / below if below else 0.0 for above, below in pairs)

    def field(self, tag: int, most: int) -> Field | None:
        """A tag as it is, where a TIFF of 32 bits may have it."""
        raw = self.raw(tag, most)
        if not raw or self.entries[tag].kind > _LAST_CLASSIC_FIELD:
            return None
        return self.entries[tag].kind, self.entries[tag].count, raw


def first_directory(data: bytes) -> tuple[str, bool, Directory]:
    """Byte order, whether it is a BigTIFF, and the directory of the first page. Raises struct.error."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    return order, big, Directory(data, order, big, at)


def is_raw(data: bytes, order: str, big: bool, first: Directory) -> bool:
    """Camera raw keeps its picture where no decoder here looks, and a thumbnail in the first directory."""
    if data[8:10] == b"CR" or any(mark in first.entries for mark in _RAW_MARKS):
        return True
    if first.number(_SUBFILE, 0) & 1 and _SUB_DIRECTORIES in first.entries:
        return True
    return any(map(_holds_raw, (first, *_other_directories(data, order, big, first))))


def _holds_raw(directory: Directory) -> bool:
    try:
        photometric = directory.number(_PHOTOMETRIC, 0)
    except ImageFormatInvalid:
        return False
    return photometric in _RAW_PHOTOMETRIC or any(mark in directory.entries for mark in _RAW_MARKS)


def _other_directories(data: bytes, order: str, big: bool, first: Directory) -> Iterator[Directory]:
    """Sub-directories and next pages, as far as they can be read; each once."""
    places, seen = [first.next], {0}
    with suppress(struct.error, ImageFormatInvalid):
        places += first.numbers(_SUB_DIRECTORIES, len(data))
    for at in places:  # grows meanwhile
        if at not in seen:
            seen.add(at)
            with suppress(struct.error):
                yield (directory := Directory(data, order, big, at))
                places.append(directory.next)


def written(
    behind: bytes | memoryview,
    order: str,
    numbers: Mapping[int, tuple[int, ...]],
    fields: Mapping[int, Field],
) -> bytes:
    """A TIFF of the bytes `behind` its header, of 8 bytes, and a directory of these tags."""
    entries = dict(fields)
    for tag, values in numbers.items():
        kind, code = (3, "H") if max(values) <= _LONGEST_SHORT else (4, "I")
        entries[tag] = (kind, len(values), struct.pack(f"{order}{len(values)}{code}", *values))
    padding = bytes(len(behind) % 2)
    begin = 8 + len(behind) + len(padding)
    place = begin + 2 + 12 * len(entries) + 4
    table, values_behind = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, count, raw) in sorted(entries.items()):
        table += struct.pack(order + "HHI", tag, kind, count)
        if len(raw) <= 4:
            table += raw.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", place + len(values_behind))
            values_behind += raw + bytes(len(raw) % 2)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", begin)
    return b"".join((header, behind, padding, table, bytes(4), values_behind))
