"""TIFF 6.0 and BigTIFF: the first directory read within caps, and a new one written for the decoder.

Neither Pillow nor libtiff sees any entry but those that make pixels, so directories that overlap, chains of
pages, notes of 20 MB and camera raw end here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from shared_code.errors import ImageFormatInvalid
from shared_code.picture import jpeg
from shared_code.picture.caps import PROFILE_BYTES, Cap
from shared_code.picture.exif import xmp_orientation
from shared_code.picture.pillow import load as load_with_pillow
from shared_code.picture.survey import ColourSpace, SampleRange, Stored, Survey

ENTRIES = Cap("entries of a TIFF directory", 1024, "all registered tags together are fewer than 700")
CHUNKS = Cap(
    "strips or tiles of a TIFF", 65_536, "one for each row of the tallest picture in each of four planes"
)
TILE_SIDE = Cap("pixels of a TIFF tile's side", 16_384, "a tile is not larger than the largest picture")
PAGES = Cap("directories of a TIFF that are looked at for camera raw", 32, "raw files have up to eight")
"""Of a longer chain the first ones are looked at: only the first page is the picture."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 277, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SUBFILE, _ORIENTATION, _PLANAR, _SUB_DIRECTORIES = 254, 274, 284, 330
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _XMP, _ICC, _NO_DATA = 338, 339, 700, 34675, 42113
_RAW_MARKS = (50706, 37398)
"""DNGVersion, and the standard's name in TIFF/EP."""
_RAW_PHOTOMETRIC = (32803, 34892)
"""A colour filter array, and linear raw."""
_NUMBERS_PASSED_ON = {
    266: 1,  # FillOrder
    292: 1,  # T4Options
    293: 1,  # T6Options
    317: 1,  # Predictor
    332: 1,  # InkSet
    530: 2,  # YCbCrSubSampling
}
_BYTES_PASSED_ON = {
    320: 3 << 16,  # ColorMap
    347: 1 << 16,  # JPEGTables
    529: 3,  # YCbCrCoefficients
    532: 12,  # ReferenceBlackWhite
}
"""Tags that the decoder needs as they are, to the most values of each."""
_OLD_JPEG = dict.fromkeys(range(512, 522), 64)
_NONE, _OLD_STYLE_JPEG, _JPEG = 1, 6, 7
_COMPRESSIONS = (_NONE, 2, 3, 4, 5, _OLD_STYLE_JPEG, _JPEG, 8, 32773, 32946, 34925, 50000)
"""None, CCITT, LZW, JPEG, deflate, PackBits, LZMA, Zstandard."""
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""PhotometricInterpretation to the samples that make a colour."""
_FIELD = {1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "c", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_FIELD |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
_LAST_CLASSIC_FIELD = 13
_UNFILLED_ALPHA, _UNSPECIFIED = 2, 0
_OVERLAP = 4
"""How often the strips may use a byte of the file: some writers round sizes up."""


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    at: int

    @property
    def size(self) -> int:
        return struct.calcsize("=" + _FIELD[self.kind]) * self.count


class _Directory:
    """One directory, its values read when they are asked for."""

    def __init__(self, data: bytes, order: str, big: bool, at: int) -> None:
        self._data, self._order = data, order
        self.entries: dict[int, _Entry] = {}
        head, inline, word = ("Q", 8, "Q") if big else ("H", 4, "I")
        step = 4 + 2 * inline
        (count,) = struct.unpack_from(order + head, data, at)
        ENTRIES.check(count)
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


@dataclass(frozen=True)
class _Layout:
    """Where the pixels lie: the strips or tiles, and the pixels of each."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    width: int
    height: int
    tiled: bool


def survey(data: bytes) -> Survey:
    """Read the first directory of `data`. Raises ImageFormatInvalid, struct.error for one that is cut."""
    order, big, at = _header(data)
    directory = _Directory(data, order, big, at)
    if _is_raw(data, order, big, directory):
        raise ImageFormatInvalid
    width, height = directory.number(_WIDTH, 0), directory.number(_HEIGHT, 0)
    compression = directory.number(_COMPRESSION, _NONE)
    if compression not in _COMPRESSIONS or not (0 < width < 1 << 20 and 0 < height < 1 << 20):
        raise ImageFormatInvalid
    pixels = _pixel_tags(directory, compression)
    bits, samples = pixels[_BITS], pixels[_SAMPLES][0]
    white_is_zero = pixels[_PHOTOMETRIC] == (0,) and (bits[0] > 8 or samples > 1)
    if white_is_zero:
        pixels[_PHOTOMETRIC] = (1,)  # Pillow reads few of these; they are turned over here
    layout = _layout(
        directory, width, height, compression, samples if pixels[_PLANAR] == (2,) else 1, len(data)
    )
    if compression == _JPEG:
        jpeg.BLOCK_VISITS.check(sum(_jpeg_visits(data, layout)))
    twelve = bits == (12,)
    written = {_WIDTH: (width,), _HEIGHT: (height,), _COMPRESSION: (compression,), **pixels, **_place(layout)}
    written |= {
        tag: directory.numbers(tag, most)
        for tag, most in _NUMBERS_PASSED_ON.items()
        if tag in directory.entries
    }
    # Samples of 12 bits lie alike in both byte orders, and Pillow knows them in one.
    content = _rewritten(data, "<" if twelve else order, written, _kept(directory, compression))
    no_data = _no_data(directory)
    return Survey(
        content,
        width,
        height,
        _orientation(directory),
        ColourSpace(directory.raw(_ICC, PROFILE_BYTES.most) or None),
        SampleRange(4095 if twelve else None, white_is_zero, no_data),
        decoder_bytes=_chunk_bytes(layout, compression, samples * max(bits)),
        alpha_may_be_unfilled=_EXTRA_SAMPLES not in directory.entries,
    )


def load(survey: Survey, scale: int) -> Stored:
    """Decode the first page."""
    return load_with_pillow(survey, "TIFF")


def _header(data: bytes) -> tuple[str, bool, int]:
    """Byte order, whether it is a BigTIFF, and where the first directory is."""
    order = "<" if data[:2] == b"II" else ">"
    if 43 in data[2:4]:
        return order, True, struct.unpack_from(order + "Q", data, 8)[0]
    return order, False, struct.unpack_from(order + "I", data, 4)[0]


def _is_raw(data: bytes, order: str, big: bool, first: _Directory) -> bool:
    """Camera raw keeps its picture where no decoder here looks, and a thumbnail in the first directory."""
    if data[8:10] == b"CR" or any(mark in first.entries for mark in _RAW_MARKS):
        return True
    if first.number(_SUBFILE, 0) & 1 and _SUB_DIRECTORIES in first.entries:
        return True
    return any(map(_holds_raw, (first, *_other_directories(data, order, big, first))))


def _holds_raw(directory: _Directory) -> bool:
    try:
        photometric = directory.number(_PHOTOMETRIC, 0)
    except ImageFormatInvalid:
        return False
    return photometric in _RAW_PHOTOMETRIC or any(mark in directory.entries for mark in _RAW_MARKS)


def _other_directories(data: bytes, order: str, big: bool, first: _Directory) -> Iterator[_Directory]:
    """Sub-directories and next pages, as far as they can be read."""
    places = list(first.numbers(_SUB_DIRECTORIES, PAGES.most)) if _short(first, _SUB_DIRECTORIES) else []
    places += [first.next] if first.next else []
    for _ in range(PAGES.most):
        if not places:
            return
        try:
            directory = _Directory(data, order, big, places.pop(0))
            yield directory
        except (struct.error, ImageFormatInvalid):
            continue
        if directory.next:
            places.append(directory.next)


def _short(directory: _Directory, tag: int) -> bool:
    entry = directory.entries.get(tag)
    return entry is not None and entry.count <= PAGES.most and _FIELD[entry.kind] in "IQ"


def _pixel_tags(directory: _Directory, compression: int) -> dict[int, tuple[int, ...]]:
    """The tags that say what a pixel is, made consistent."""
    photometric = 6 if compression == _OLD_STYLE_JPEG else directory.number(_PHOTOMETRIC, 0)
    samples = directory.number(_SAMPLES, 3 if compression == _OLD_STYLE_JPEG else 1)
    if photometric == 6 and samples == 1:
        photometric = 1
    colours = _COLOURS.get(photometric, 0)
    if not 0 < colours <= samples <= 16:
        raise ImageFormatInvalid
    bits = directory.numbers(_BITS, 64, (1,))
    formats = directory.numbers(_SAMPLE_FORMAT, 64, (1,))
    bits = (bits * samples)[:samples] if len(bits) == 1 else bits[:samples]
    formats = formats[:1] if len(set(formats[:samples])) == 1 else formats
    extra = directory.numbers(_EXTRA_SAMPLES, 64)
    if not extra and samples > colours and photometric in (0, 1, 2):
        extra = (_UNFILLED_ALPHA,)  # read as alpha, as libtiff does, unless it is 0 everywhere
    extra = (extra + (_UNSPECIFIED,) * samples)[: samples - colours]
    if len(bits) != samples or max(bits) > 64:
        raise ImageFormatInvalid
    tags = {
        _BITS: bits,
        _PHOTOMETRIC: (photometric,),
        _SAMPLES: (samples,),
        _SAMPLE_FORMAT: formats if len(formats) > 1 else formats * samples,
        _PLANAR: (directory.number(_PLANAR, 1),),
    }
    return tags | ({_EXTRA_SAMPLES: extra} if extra else {})


def _layout(
    directory: _Directory, width: int, height: int, compression: int, planes: int, file_bytes: int
) -> _Layout:
    """The strips or tiles, as many as the geometry has. Raises ImageFormatInvalid."""
    tiled = _TILE_OFFSETS in directory.entries and _STRIP_OFFSETS not in directory.entries
    if tiled:
        across, down = directory.number(_TILE_WIDTH, 0), directory.number(_TILE_HEIGHT, 0)
        TILE_SIDE.check(max(across, down))
    else:
        across, down = width, min(height, directory.number(_ROWS_PER_STRIP, height))
    if across < 1 or down < 1:
        raise ImageFormatInvalid
    count = -(-width // across) * -(-height // down) * planes
    CHUNKS.check(count)
    offset_tag, size_tag = (_TILE_OFFSETS, _TILE_BYTES) if tiled else (_STRIP_OFFSETS, _STRIP_BYTES)
    offsets = directory.numbers(offset_tag, count)
    sizes = directory.numbers(size_tag, count)
    if not sizes and (compression == _NONE or count == 1):
        sizes = tuple(max(0, file_bytes - offset) for offset in offsets) if count == 1 else (0,) * count
    if len(offsets) != count or len(sizes) != count:
        raise ImageFormatInvalid
    if sum(sizes) > _OVERLAP * file_bytes or any(offset > file_bytes for offset in offsets):
        raise ImageFormatInvalid
    return _Layout(offsets, sizes, across, down, tiled)


def _place(layout: _Layout) -> dict[int, tuple[int, ...]]:
    if layout.tiled:
        sides = {_TILE_WIDTH: (layout.width,), _TILE_HEIGHT: (layout.height,)}
        return {**sides, _TILE_OFFSETS: layout.offsets, _TILE_BYTES: layout.sizes}
    return {_STRIP_OFFSETS: layout.offsets, _ROWS_PER_STRIP: (layout.height,), _STRIP_BYTES: layout.sizes}


def _jpeg_visits(data: bytes, layout: _Layout) -> Iterator[int]:
    for offset, size in zip(layout.offsets, layout.sizes, strict=True):
        yield jpeg.check_scans(data[offset : offset + size])


def _chunk_bytes(layout: _Layout, compression: int, bits_per_pixel: int) -> int:
    """What libtiff holds of one strip or tile, packed and unpacked, beside the picture."""
    if compression == _NONE:
        return 0
    pixels = layout.width * layout.height
    return max(1, 2 * pixels * bits_per_pixel // 8)


def _kept(directory: _Directory, compression: int) -> dict[int, tuple[int, int, bytes]]:
    """Tags passed on as they are: field type, count and bytes."""
    passed_on = _BYTES_PASSED_ON | (_OLD_JPEG if compression == _OLD_STYLE_JPEG else {})
    found = {tag: directory.raw(tag, most) for tag, most in passed_on.items()}
    entries = directory.entries
    return {
        tag: (entries[tag].kind, entries[tag].count, raw)
        for tag, raw in found.items()
        if raw and entries[tag].kind <= _LAST_CLASSIC_FIELD
    }


def _rewritten(
    data: bytes, order: str, numbers: dict[int, tuple[int, ...]], kept: dict[int, tuple[int, int, bytes]]
) -> bytes:
    """The file with a directory of these tags behind all else, and its header pointing there."""
    entries = dict(kept)
    for tag, values in numbers.items():
        kind, code = (
            (3, "H")
            if tag in (_BITS, _SAMPLES, _SAMPLE_FORMAT, _EXTRA_SAMPLES) or max(values) < 1 << 16
            else (4, "I")
        )
        entries[tag] = (kind, len(values), struct.pack(f"{order}{len(values)}{code}", *values))
    begin = len(data) + len(data) % 2
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
    return b"".join((header, memoryview(data)[8:], bytes(len(data) % 2), table, bytes(4), values_behind))


def _orientation(directory: _Directory) -> int:
    stated = directory.number(_ORIENTATION, 0)
    if 1 <= stated <= 8:
        return stated
    return xmp_orientation(directory.raw(_XMP, PROFILE_BYTES.most)) or 1


def _no_data(directory: _Directory) -> float | None:
    """The sample that stands for none, as GDAL writes it: a number in ASCII."""
    try:
        return float(directory.raw(_NO_DATA, 64).strip(b"\0 "))
    except ValueError:
        return None
