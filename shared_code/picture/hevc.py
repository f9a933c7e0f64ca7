"""Decodes one HEVC picture to planes, with the libde265 that comes with the package pi-heif.

pi-heif itself uses libheif, which starts a thread for every picture; inside a room's sandbox no thread can be
started. libheif also reads the container; here `isobmff` and `heif` do that. The functions are declared in
libde265's de265.h.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared_code.errors import ImageFormatInvalid

_PLACES = ("pi_heif.libs/libde265-*", "pi_heif/.dylibs/libde265*")
"""Where the wheels for Linux and macOS have the library, relative to the folder of packages."""
_OK = 0
_WIDE_BYTES = 2
"""Bytes of a sample of more than 8 bits."""
_SPARE_STEPS = 16
"""Steps beyond one for each NAL unit: a step takes a unit, or moves a picture towards the output."""

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS: dict[str, tuple[list[type], type | None]] = {
    "de265_init": ([], _INT),
    "de265_new_decoder": ([], _POINTER),
    "de265_free_decoder": ([_POINTER], _INT),
    "de265_push_NAL": ([_POINTER, ctypes.c_char_p, _INT, ctypes.c_int64, _POINTER], _INT),
    "de265_flush_data": ([_POINTER], _INT),
    "de265_decode": ([_POINTER, ctypes.POINTER(_INT)], _INT),
    "de265_get_next_picture": ([_POINTER], _POINTER),
    "de265_get_chroma_format": ([_POINTER], _INT),
    "de265_get_image_width": ([_POINTER, _INT], _INT),
    "de265_get_image_height": ([_POINTER, _INT], _INT),
    "de265_get_bits_per_pixel": ([_POINTER, _INT], _INT),
    "de265_get_image_plane": ([_POINTER, _INT, ctypes.POINTER(_INT)], _POINTER),
    "de265_get_image_full_range_flag": ([_POINTER], _INT),
    "de265_get_image_matrix_coefficients": ([_POINTER], _INT),
}

type Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class Planes:
    """A decoded picture: Y, Cb and Cr, or Y alone; uint8 (rows, columns). Chroma may be subsampled.

    matrix, full_range: MatrixCoefficients and VideoFullRangeFlag (ITU-T H.273), as the bitstream states them.
    """

    planes: tuple[Plane, ...]
    matrix: int
    full_range: bool


def is_installed() -> bool:
    """Whether the decoder is installed."""
    return _path() is not None


@cache
def library() -> ctypes.CDLL:
    """The decoder's library. The first call loads it, which is not possible inside a sandbox."""
    path = _path()
    if path is None:
        raise ImageFormatInvalid
    loaded = ctypes.CDLL(str(path))
    for name, (arguments, result) in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, result
    loaded.de265_init()
    return loaded


def decode(configuration: bytes, content: bytes) -> Planes:
    """Decode the picture of an item on the calling thread.

    configuration: its property `hvcC`. content: NAL units, each after its length (ISO/IEC 14496-15, 8.3.2).
    Raises ImageFormatInvalid.
    """
    units = [*_parameter_sets(configuration), *_units(content, 1 + (configuration[21] & 3))]
    with _decoder() as (lib, decoder):
        for unit in units:
            if lib.de265_push_NAL(decoder, unit, len(unit), 0, None) != _OK:
                raise ImageFormatInvalid
        lib.de265_flush_data(decoder)
        picture = None
        for _ in range(len(units) + _SPARE_STEPS):
            picture = lib.de265_get_next_picture(decoder)
            if picture:
                break
            if lib.de265_decode(decoder, ctypes.byref(_INT())) != _OK:
                raise ImageFormatInvalid
        if not picture:
            raise ImageFormatInvalid
        channels = 3 if lib.de265_get_chroma_format(picture) else 1
        return Planes(
            tuple(_plane(lib, picture, channel) for channel in range(channels)),
            lib.de265_get_image_matrix_coefficients(picture),
            bool(lib.de265_get_image_full_range_flag(picture)),
        )


def _path() -> Path | None:
    package = find_spec("pi_heif")
    if package is None or package.origin is None:
        return None
    beside = Path(package.origin).parent.parent
    return next((path for place in _PLACES for path in beside.glob(place)), None)


@contextmanager
def _decoder() -> Iterator[tuple[ctypes.CDLL, int]]:
    lib = library()
    decoder = lib.de265_new_decoder()
    if not decoder:
        raise MemoryError
    try:
        yield lib, decoder
    finally:
        lib.de265_free_decoder(decoder)


def _parameter_sets(configuration: bytes) -> Iterator[bytes]:
    """The NAL units of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    at = 23
    for _ in range(configuration[22]):
        count = int.from_bytes(configuration[at + 1 : at + 3])
        at += 3
        for _ in range(count):
            size = int.from_bytes(configuration[at : at + 2])
            if at + 2 + size > len(configuration):
                raise ImageFormatInvalid
            yield configuration[at + 2 : at + 2 + size]
            at += 2 + size


def _units(content: bytes, width: int) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + width])
        at += width
        if at + size > len(content):
            raise ImageFormatInvalid
        yield content[at : at + size]
        at += size


def _plane(lib: ctypes.CDLL, picture: int, channel: int) -> Plane:
    """A copy of one plane, reduced to 8 bits."""
    width = lib.de265_get_image_width(picture, channel)
    height = lib.de265_get_image_height(picture, channel)
    bits = lib.de265_get_bits_per_pixel(picture, channel)
    stride = _INT()
    start = lib.de265_get_image_plane(picture, channel, ctypes.byref(stride))
    sample_bytes = 1 if bits <= 8 else _WIDE_BYTES
    if not start or width <= 0 or height <= 0 or not 8 <= bits <= 16 or stride.value < width * sample_bytes:
        raise ImageFormatInvalid
    raw = (ctypes.c_uint8 * (stride.value * height)).from_address(start)
    rows = np.frombuffer(raw, np.uint8).reshape(height, stride.value)[:, : width * sample_bytes]
    if bits == 8:
        return rows.copy()
    levels: Plane = (rows.view("<u2") >> (bits - 8)).astype(np.uint8)
    return levels
