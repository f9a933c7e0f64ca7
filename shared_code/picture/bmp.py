"""Windows and OS/2 bitmaps, read here: indices into a palette, or colours behind masks of any shape.

A file that is not run-length encoded is no smaller than its pixels, so it is small enough for numpy.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.profile import matrix_profile
from shared_code.picture.run_length import decode_runs
from shared_code.picture.survey import ColourSpace, Stored, Survey

_FILE_HEADER_BYTES = 14
_BLOCK_PIXELS = 1 << 15
_CORE, _INFO, _V4, _V5 = 12, 40, 108, 124
_OS2 = range(16, 65)
_WINDOWS = (_INFO, 52, 56, _V4, _V5)
"""Sizes of headers. OS/2's second one may end behind any field, but where Windows has that size."""
_RGB, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
_RUN_LENGTH = {1: 8, 2: 4}
"""Compression to bits per index."""
_DEFAULT_MASKS = {
    16: (0x7C00, 0x03E0, 0x001F),
    24: (0xFF0000, 0x00FF00, 0x0000FF),
    32: (0xFF0000, 0x00FF00, 0x0000FF),
}
_CALIBRATED, _EMBEDDED = 0, 0x4D424544

type Masks = tuple[int, ...]
type Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class BitmapHeader:
    """The information header of a bitmap; `height` is positive whichever row comes first.

    `masks` are those of red, green, blue and, where there is one, alpha; none where pixels are indices.
    """

    size: int
    width: int
    height: int
    bits: int
    compression: int
    masks: Masks
    colours: int
    palette_at: int
    palette_entry: int
    pixels_at: int
    bottom_up: bool

    @property
    def stride(self) -> int:
        """Bytes of a row."""
        return (self.width * self.bits + 31) // 32 * 4


def read_header(data: bytes, at: int) -> BitmapHeader:
    """The information header that begins at `at`, with its pixels behind it. Raises ImageFormatInvalid."""
    try:
        (size,) = struct.unpack_from("<I", data, at)
        if size == _CORE:
            width, height, _, bits = struct.unpack_from("<HHHH", data, at + 4)
            compression = colours = 0
        elif size in _WINDOWS or size in _OS2:
            fields = data[at + 4 : at + size].ljust(_INFO - 4, b"\0")
            width, height, _, bits, compression, colours = struct.unpack_from("<iiHHI12xI", fields)
        else:
            raise ImageFormatInvalid
        masks = _masks(data, at, size, bits, compression)
    except struct.error:
        raise ImageFormatInvalid from None
    if not masks and (bits not in (1, 2, 4, 8) or bits != _RUN_LENGTH.get(compression, bits)):
        raise ImageFormatInvalid
    entry = 3 if size == _CORE else 4
    colours = 0 if masks else colours or 1 << bits
    behind = at + size + _mask_bytes(size, compression)
    pixels = behind + entry * colours
    return BitmapHeader(
        size, width, abs(height), bits, compression, masks, colours, behind, entry, pixels, height > 0
    )


def _mask_bytes(size: int, compression: int) -> int:
    """The masks behind the header: a header of 40 bytes holds none, one of 52 all but that of alpha."""
    masks_end = {_BITFIELDS: _INFO + 12, _ALPHA_BITFIELDS: _INFO + 16}.get(compression, 0)
    return max(0, masks_end - size)


def _masks(data: bytes, at: int, size: int, bits: int, compression: int) -> Masks:
    """Where the samples of a pixel are; an alpha mask counts without any other, too."""
    if bits not in _DEFAULT_MASKS:
        if compression not in (_RGB, *_RUN_LENGTH):
            raise ImageFormatInvalid
        return ()
    if compression != _RGB and (
        compression not in (_BITFIELDS, _ALPHA_BITFIELDS) or size not in _WINDOWS or bits == 24
    ):
        raise ImageFormatInvalid
    whole = (1 << bits) - 1
    colours, alpha = _DEFAULT_MASKS[bits], 0
    if compression != _RGB:
        stated = struct.unpack_from("<III", data, at + _INFO)
        colours = stated if any(stated) else colours
    if (size >= 56 and size in _WINDOWS) or compression == _ALPHA_BITFIELDS:
        alpha = struct.unpack_from("<I", data, at + _INFO + 12)[0] & whole
    if any(colour & alpha for colour in colours):
        alpha = 0
    masks = (*colours, alpha) if alpha else colours
    if any(mask > whole or not _one_run(mask) for mask in masks):
        raise ImageFormatInvalid
    return masks


def _one_run(mask: int) -> bool:
    return (mask | mask - 1) + 1 & mask == 0


def survey(data: bytes) -> Survey:
    """Check the header. Raises ImageFormatInvalid."""
    header = read_header(data, _FILE_HEADER_BYTES)
    missing = _pixels_at(data, header) + header.stride * header.height - len(data)
    padding = header.stride - (header.width * header.bits + 7) // 8
    return Survey(
        data + bytes(missing) if 0 < missing <= padding and not header.compression else data,
        header.width,
        header.height,
        colour=_colour_space(data, header),
        pixel_bytes=pixel_bytes(header),
    )


def _pixels_at(data: bytes, header: BitmapHeader) -> int:
    (stated,) = struct.unpack_from("<I", data, 10)
    return stated or header.pixels_at


def pixel_bytes(header: BitmapHeader) -> float:
    """What decoding takes for each pixel."""
    return {0: 1.1, 3: 4.1, 4: 5.1}[len(header.masks)]


def load(survey: Survey, _scale: int) -> Stored:
    """Decode the bitmap. Raises ImageFormatInvalid when its pixels end too early."""
    header = read_header(survey.content, _FILE_HEADER_BYTES)
    return decoded(survey.content, header, _pixels_at(survey.content, header))


def ends_early(data: bytes) -> bool:
    """Whether the file is shorter than it says."""
    return int(struct.unpack_from("<I", data, 2)[0]) > len(data)


def decoded(data: bytes, header: BitmapHeader, pixels_at: int) -> Stored:
    """The picture whose rows begin at `pixels_at`. Raises ImageFormatInvalid when they end too early."""
    return _coloured(data, header, pixels_at) if header.masks else _indexed(data, header, pixels_at)


def _rows(data: bytes, header: BitmapHeader, at: int) -> Bytes:
    """Packed pixels, uint8 (rows, bytes of a row), in the order of the file."""
    size = header.stride * header.height
    found = np.frombuffer(data, np.uint8)[at : at + size]
    if found.size < size:
        raise ImageFormatInvalid
    return found.reshape(header.height, header.stride)


def _indexed(data: bytes, header: BitmapHeader, at: int) -> Stored:
    size, bits = (header.width, header.height), header.bits
    indices: Bytes
    if header.compression:
        indices = np.frombuffer(decode_runs(data[at:], *size, bits), np.uint8).reshape(size[::-1])
    else:
        indices = _rows(data, header, at)
    if bits < 8 and not header.compression:
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        parts = indices[..., None] >> shifts & np.uint8((1 << bits) - 1)
        indices = parts.reshape(header.height, -1)
    # No copy: the picture is read from the indices themselves.
    stride, step = indices.shape[1], -1 if header.bottom_up else 1
    image = Image.frombuffer("P", size, indices, "raw", "P", stride, step)
    image.putpalette(_palette(data, header))
    return Stored(image, has_alpha=False)


def _palette(data: bytes, header: BitmapHeader) -> bytes:
    """256 colours, red first; those that the file does not have are black."""
    end = header.palette_at + header.palette_entry * min(header.colours, 256)
    entries = data[header.palette_at : end]
    bytes_of = (entries[channel :: header.palette_entry].ljust(256, b"\0")[:256] for channel in (2, 1, 0))
    return np.stack([np.frombuffer(each, np.uint8) for each in bytes_of], axis=1).tobytes()


def _coloured(data: bytes, header: BitmapHeader, at: int) -> Stored:
    rows, each = _rows(data, header, at)[:, : header.width * header.bits // 8], header.bits // 8
    rows = rows[::-1] if header.bottom_up else rows
    image = Image.new("RGB", (header.width, header.height))
    alpha = Image.new("L", image.size) if len(header.masks) == 4 else None
    block = max(1, _BLOCK_PIXELS // header.width)
    for top in range(0, header.height, block):
        pixels = rows[top : top + block].reshape(-1, header.width, each)
        red, green, blue, *opacity = _samples(pixels, header.masks)
        image.paste(Image.fromarray(np.stack((red, green, blue), axis=2)), (0, top))
        if alpha is not None:
            alpha.paste(Image.fromarray(np.ascontiguousarray(opacity[0])), (0, top))
    if alpha is None or alpha.getextrema() == (0, 0):  # never filled in
        return Stored(image, has_alpha=False)
    return Stored(image, True, alpha)


def _samples(pixels: Bytes, masks: Masks) -> list[Bytes]:
    """Of `pixels`, uint8 (rows, columns, bytes, the lowest first), what is behind each mask: 0..255."""
    whole_bytes = {0xFF << 8 * byte: byte for byte in range(pixels.shape[2])}
    if all(mask in whole_bytes for mask in masks):
        return [pixels[..., whole_bytes[mask]] for mask in masks]
    values = np.zeros(pixels.shape[:2], np.uint64)
    for byte in range(pixels.shape[2]):
        values |= pixels[..., byte].astype(np.uint64) << np.uint64(8 * byte)
    channels = []
    for mask in masks:
        lowest = mask & -mask or 1
        levels = (
            (values & np.uint64(mask))
            // np.uint64(lowest)
            * np.uint64(255)
            // np.uint64(max(1, mask // lowest))
        )
        channels.append(levels.astype(np.uint8))
    return channels


def _colour_space(data: bytes, header: BitmapHeader) -> ColourSpace:
    """An embedded profile (V5), or primaries and exponents (V4 and V5)."""
    if header.size not in (_V4, _V5):
        return ColourSpace()
    at = _FILE_HEADER_BYTES
    kind, *numbers = struct.unpack_from("<I9i3I", data, at + 56)
    if kind == _EMBEDDED and header.size == _V5:
        begin, size = struct.unpack_from("<II", data, at + 112)
        profile = data[at + begin : at + begin + size]
        return ColourSpace(profile if size <= MOST_PROFILE_BYTES else None)
    if kind == _CALIBRATED:
        ends = [value / (1 << 30) for value in numbers[:9]]
        gammas = [value / (1 << 16) for value in numbers[9:]]
        return ColourSpace(matrix_profile([ends[:3], ends[3:6], ends[6:]], gammas))
    return ColourSpace()
