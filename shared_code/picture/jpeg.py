"""JPEG (ITU T.81): reads the markers, so that the decoder gets only tables and scans.

Three faults that libjpeg decodes silently are refused: a scan that ends before its last block, a progressive
picture with missing coefficients, and a long run of zeros where zeros are impossible.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared_code.errors import ImageFault, ImageFormatInvalid
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.exif import orientation
from shared_code.picture.survey import ColourSpace, Survey

_MOST_BLOCKS = 60_000_000
"""Of 8 x 8, in all scans together: ten scans visit those of a 16 000 x 16 000 picture 56 million times.

The CPU time that a room may take grows with the picture, and scans without a bit in them would use all of it.
"""

_SOI, _EOI, _SOS, _DHT, _COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xCA)
_SEQUENTIAL = (0xC0, 0xC1)
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Neither a stuffed byte, nor fill, nor a restart."""
_PIECE_BYTES = 1 << 20
_ZEROS = bytes(64)
_PADDING = bytes(16)
"""The entropy decoder reads ahead; what it reads behind the last block is not used."""


@dataclass(frozen=True)
class Component:
    """One colour of a frame: its id and how densely it is sampled."""

    id: int
    horizontal: int
    vertical: int


@dataclass(frozen=True)
class Frame:
    """The frame header (T.81, B.2.2)."""

    marker: int
    width: int
    height: int
    components: tuple[Component, ...]

    @property
    def progressive(self) -> bool:
        """Whether its coefficients come bit by bit."""
        return self.marker in _PROGRESSIVE

    def samples_per_pixel(self) -> float:
        """Of all components together."""
        across = max(part.horizontal for part in self.components)
        down = max(part.vertical for part in self.components)
        return sum(part.horizontal * part.vertical for part in self.components) / (across * down)

    def blocks(self, ids: bytes) -> int:
        """How many blocks of 8 x 8 the components of a scan have."""
        across = max(part.horizontal for part in self.components)
        down = max(part.vertical for part in self.components)
        return sum(
            -(-self.width * part.horizontal // (8 * across)) * -(-self.height * part.vertical // (8 * down))
            for part in self.components
            if part.id in ids
        )


@dataclass
class _Walk:
    """The content of the markers so far."""

    kept: list[memoryview] = field(default_factory=list)
    frame: Frame | None = None
    scans: int = 0
    blocks: int = 0
    pending: dict[tuple[int, int], int] = field(default_factory=dict)
    """(component, coefficient) to the lowest bit that has come; absent: none."""
    first_symbols: dict[int, int] = field(default_factory=dict)
    """Class and number of a Huffman table to the symbol whose code is all zeros."""
    exif: bytes | None = None
    xmp: bytes | None = None
    profile: dict[int, bytes] = field(default_factory=dict)


def survey(data: bytes) -> Survey:
    """Read the markers of `data`. Raises ImageFormatInvalid."""
    view, walk = memoryview(data), _Walk()
    begin = end = 0
    for marker, start, at, after in _segments(data):
        if marker == _EOI or _single_scan(walk):
            end = start
            break
        if marker == _SOS:
            begin = begin or start
        elif not begin:
            _keep(walk, marker, data[at:after], view[start:after])
        _note(walk, marker, data, at, after)
    frame = walk.frame
    if frame is None or not begin:
        raise ImageFormatInvalid
    _check_complete(walk, frame)
    single = _single_scan(walk)
    tail = _PADDING if single else b"\xff\xd9"
    if not end:
        if not single:
            raise ImageFormatInvalid
        end = len(data)
    content = b"".join((b"\xff\xd8", *walk.kept, view[begin:end], tail))
    held = (
        0
        if not frame.progressive and single
        else int(2.1 * frame.samples_per_pixel() * frame.width * frame.height)
    )
    return Survey(
        content,
        frame.width,
        frame.height,
        orientation(walk.exif, walk.xmp),
        ColourSpace(_profile(walk.profile)),
        decoder_bytes=held,
    )


def ends_early(data: bytes) -> bool:
    """Whether no end marker is behind the last scan; a thumbnail's would come before it."""
    end = data.rfind(b"\xff\xd9")
    return end < 0 or end < data.rfind(b"\xff\xda")


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(marker, where it starts, begin and end of its body) in order, but for restarts.

    Raises ImageFormatInvalid.
    """
    at = 2
    while found := _marker(data, at):
        marker = data[found.end() - 1]
        at = found.end()
        if marker == _EOI or marker in (_SOI, 0x01):
            yield marker, found.start(), at, at
            continue
        length = int.from_bytes(data[at : at + 2])
        if length < 2 or at + length > len(data):
            raise ImageFormatInvalid
        yield marker, found.start(), at + 2, at + length
        at += length


def _marker(data: bytes, at: int) -> re.Match[bytes] | None:
    """The next marker, searched for piece by piece, because other threads cannot run during a search."""
    for begin in range(at, len(data), _PIECE_BYTES):
        if found := _MARKER.search(data, begin, begin + _PIECE_BYTES + 1):
            return found
    return None


def _note(walk: _Walk, marker: int, data: bytes, at: int, after: int) -> None:
    if marker == _SOS:
        _scan(walk, data[at:after], data, after)
    elif marker in _FRAMES:
        _frame(walk, marker, data[at:after])
    elif marker == _DHT:
        _huffman(walk, data[at:after])


def _keep(walk: _Walk, marker: int, body: bytes, segment: memoryview) -> None:
    """Keep the segment if the decoder needs it, else note its content."""
    if marker == 0xE1 and body.startswith(b"Exif\0\0"):
        walk.exif = walk.exif or body
    elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        walk.xmp = walk.xmp or body
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
        walk.profile.setdefault(body[12], body[13:])
    # Which colours the components are: JFIF and Adobe's segment tell.
    elif (
        (marker == 0xE0 and body.startswith(b"JFIF"))
        or (marker == 0xEE and body.startswith(b"Adobe"))
        or not (0xE0 <= marker <= 0xEF or marker in (_COM, _SOI, 0x01))
    ):
        walk.kept.append(segment)


def _frame(walk: _Walk, marker: int, body: bytes) -> None:
    if walk.frame is not None or len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise ImageFormatInvalid
    parts = tuple(
        Component(body[at], body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, 6 + 3 * body[5], 3)
    )
    if not parts or any(not (1 <= part.horizontal <= 4 and 1 <= part.vertical <= 4) for part in parts):
        raise ImageFormatInvalid
    walk.frame = Frame(marker, int.from_bytes(body[3:5]), int.from_bytes(body[1:3]), parts)


def _huffman(walk: _Walk, body: bytes) -> None:
    """Note the first symbol of each table (T.81, B.2.4.2); it has the code of zeros."""
    at = 0
    while at + 17 < len(body):
        walk.first_symbols[body[at]] = body[at + 17]
        at += 17 + sum(body[at + 1 : at + 17])


def _scan(walk: _Walk, body: bytes, data: bytes, begin: int) -> None:
    frame = walk.frame
    if frame is None or not body or len(body) < 4 + 2 * body[0]:
        raise ImageFormatInvalid
    ids, tables = body[1 : 1 + 2 * body[0] : 2], body[2 : 2 + 2 * body[0] : 2]
    first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
    walk.scans += 1
    walk.blocks += frame.blocks(ids)
    if walk.blocks > _MOST_BLOCKS and (walk.scans > 1 or frame.progressive):
        raise ImageFormatInvalid(ImageFault.HOSTILE)
    if not frame.progressive:
        first, last, bits = 0, 63, 0
    for part in ids:
        walk.pending.update({(part, index): bits & 15 for index in range(first, min(last, 63) + 1)})
    ends_block = (0x00,) if not frame.progressive else tuple(run << 4 for run in range(15))
    codes_zeros = [walk.first_symbols.get(0x10 | table & 15, 0) in ends_block for table in tables]
    if last > 0 and bits >> 4 == 0 and not all(codes_zeros):
        found = _marker(data, begin)
        if data.find(_ZEROS, begin, found.start() if found else len(data)) >= 0:
            raise ImageFormatInvalid


def _single_scan(walk: _Walk) -> bool:
    """Whether the one scan holds all: decoded as it comes, so that its end is noticed."""
    frame = walk.frame
    return (
        frame is not None
        and frame.marker in _SEQUENTIAL
        and walk.scans == 1
        and len({part for part, _ in walk.pending}) == len(frame.components)
    )


def _check_complete(walk: _Walk, frame: Frame) -> None:
    for part in frame.components:
        if any(walk.pending.get((part.id, index), 1) for index in range(64)):
            raise ImageFormatInvalid


def _profile(parts: dict[int, bytes]) -> bytes | None:
    """The ICC profile of its numbered parts (ICC.1, B.4); None when one is missing or it is too large."""
    if not parts or sorted(parts) != list(range(1, parts[min(parts)][0] + 1)):
        return None
    profile = b"".join(parts[number][1:] for number in sorted(parts))
    return profile if len(profile) <= MOST_PROFILE_BYTES else None
