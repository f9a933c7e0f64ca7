"""The accepted formats, one row each: a file cannot reach a decoder that is not in this table.

Recognition, decoding, memory, the API's description and the web page use this table. Tests compare it with
docs/api.md and with the suffixes that the client sends.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from shared_code.picture import (
    bmp,
    gif,
    heif,
    icon,
    jpeg,
    pillow,
    png,
    tiff,
    webp,
)
from shared_code.picture.survey import Stored, Survey

_BY_MODE: Mapping[str | None, float] = {"1": 1.1, "L": 1.1, "P": 1.1, "I;16": 2.1, "I;16B": 2.1}
"""Bytes that Pillow holds of a pixel of each mode; 4.1 of all others."""


@dataclass(frozen=True)
class Format:
    """An accepted format.

    names: as in docs/api.md; further names are variants that the same decoder reads.
    begins: the first bytes of its files.
    signature: more first bytes, where `begins` alone is too short to distinguish pictures from other data.
    plugin: Pillow's name of the only decoder that it may use; empty if it uses none.
    survey: reads the structure before anything is decoded. Raises ImageFormatInvalid; for a truncated file it
    may raise other errors.
    load: decodes the result of `survey`, at a fraction of the size where `scalable`. `pillow.survey` and
    `pillow.load` do for a format that its plugin reads as it is meant.
    ends_early: whether a file that was refused is truncated; may raise errors.
    bytes_per_pixel: what decoding takes for each pixel, by Pillow's mode; `None` is the key for the others.
    orientation: where it is stored. integrity: which damage is detected, beside truncation.
    """

    names: tuple[str, ...]
    media_type: str
    endings: tuple[str, ...]
    begins: re.Pattern[bytes]
    survey: Callable[[bytes], Survey]
    load: Callable[[Survey, int], Stored]
    ends_early: Callable[[bytes], bool]
    orientation: str
    integrity: str
    plugin: str = ""
    bytes_per_pixel: Mapping[str | None, float] = field(default_factory=lambda: _BY_MODE)
    scalable: bool = False
    cpu_times: float = 1.0
    """Of the time that other formats take, where decoding is slower than theirs."""
    signature: re.Pattern[bytes] | None = None
    unwrap: Callable[[bytes], bytes] | None = None
    """Returns the file inside a container of this format; it is then recognised in turn."""

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]

    def pixel_bytes(self, mode: str) -> float:
        """Bytes that decoding takes for each pixel of Pillow's `mode`."""
        return self.bytes_per_pixel.get(mode, self.bytes_per_pixel.get(None, 4.1))


JPEG = Format(
    names=("JPEG", "MPO"),
    media_type="image/jpeg",
    endings=(".jpg", ".jpeg", ".mpo"),
    begins=re.compile(rb"\xff\xd8\xff"),
    plugin="JPEG",
    survey=jpeg.survey,
    load=partial(pillow.load, plugin="JPEG"),
    ends_early=jpeg.ends_early,
    orientation="EXIF, XMP",
    integrity="scans that end early, coefficients that never came, runs of zeros",
    scalable=True,
)
PNG = Format(
    names=("PNG",),
    media_type="image/png",
    endings=(".png",),
    begins=re.compile(re.escape(png.SIGNATURE)),
    plugin="PNG",
    survey=png.survey,
    load=png.load,
    ends_early=png.ends_early,
    orientation="EXIF, XMP",
    integrity="checksums of all chunks that carry pixels, the end chunk",
)
GIF = Format(
    names=("GIF",),
    media_type="image/gif",
    endings=(".gif",),
    begins=re.compile(rb"GIF8[79]a"),
    plugin="GIF",
    survey=gif.survey,
    load=gif.load,
    ends_early=gif.ends_early,
    orientation="none",
    integrity="pixels that end early",
    bytes_per_pixel={None: 1.5},
)
BMP = Format(
    names=("BMP",),
    media_type="image/bmp",
    endings=(".bmp",),
    begins=re.compile(rb"BM"),
    # With the size of a header that a bitmap may have.
    signature=re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    survey=bmp.survey,
    load=bmp.load,
    ends_early=bmp.ends_early,
    orientation="none",
    integrity="pixels that end early",
)
WEBP = Format(
    names=("WEBP",),
    media_type="image/webp",
    endings=(".webp",),
    begins=re.compile(rb"RIFF....WEBP", re.DOTALL),
    plugin="WEBP",
    survey=webp.survey,
    load=partial(pillow.load, plugin="WEBP"),
    ends_early=webp.ends_early,
    orientation="EXIF, XMP",
    integrity="pixels that end early",
)
TIFF = Format(
    names=("TIFF",),
    media_type="image/tiff",
    endings=(".tif", ".tiff"),
    begins=re.compile(rb"(?:II|MM)(?:[*+]\x00|\x00[*+])"),
    plugin="TIFF",
    survey=tiff.survey,
    load=tiff.load,
    ends_early=tiff.ends_early,
    orientation="its own tag, XMP",
    integrity="strips and tiles whose data ends early or cannot be unpacked",
)
ICO = Format(
    names=("ICO",),
    media_type="image/x-icon",
    endings=(".ico",),
    begins=re.compile(rb"\x00\x00\x01\x00"),
    signature=re.compile(rb"\x00\x00\x01\x00[^\x00]"),  # at least one image
    survey=icon.survey,
    load=icon.load,
    ends_early=icon.ends_early,
    orientation="none",
    integrity="pixels or mask that end early; an icon of a PNG is checked as one",
    unwrap=icon.frame,
)

AVIF = Format(
    names=("AVIF",),
    media_type="image/avif",
    endings=(".avif",),
    # By its own brand, or by one of those that it is compatible with.
    begins=re.compile(rb"....ftyp(?:avi[fs]|(?:mif1|msf1|miaf).{4}(?:.{4}){0,14}?avi[fs])", re.DOTALL),
    plugin=heif.AVIF_PLUGIN,
    survey=heif.survey_avif,
    load=heif.load_avif,
    ends_early=heif.ends_early,
    cpu_times=3.0,
    orientation="its own properties",
    integrity="pixels that end early",
)
HEIC = Format(
    names=("HEIC",),
    media_type="image/heic",
    endings=(".heic", ".heif", ".hif"),
    begins=re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1|miaf)", re.DOTALL),
    survey=heif.survey_heic,
    load=heif.load_heic,
    ends_early=heif.ends_early,
    cpu_times=5.0,
    orientation="its own properties",
    integrity="pixels that end early",
)

FORMATS = (JPEG, PNG, GIF, BMP, WEBP, TIFF, ICO)
"""Those that the retired API documented."""
MORE_FORMATS = (AVIF, HEIC)
"""Those that are accepted where SEGMENT_MORE_FORMATS names them."""


def accepted(more: Collection[Format] = ()) -> tuple[Format, ...]:
    """All that are accepted where `more` are."""
    return (*FORMATS, *(row for row in MORE_FORMATS if row in more))


def format_names(formats: Sequence[Format] = FORMATS) -> str:
    """All names in a sentence: "A, B or C"."""
    *names, last = (name for row in formats for name in row.names)
    return f"{', '.join(names)} or {last}"


SIGNATURE_BYTES: Final = 76
"""`begins_as_picture` needs no more bytes than these, from the beginning of a file."""


def begins_as_picture(data: bytes | bytearray, formats: Sequence[Format] = FORMATS) -> bool:
    """Whether `data` begins as a file of these formats does; the rest of it may be anything."""
    return any((row.signature or row.begins).match(data) for row in formats)


def begins_as(data: bytes) -> Format | None:
    """The format that `data` begins as, accepted or not."""
    return next((row for row in (*FORMATS, *MORE_FORMATS) if row.begins.match(data)), None)


def recognise(data: bytes) -> tuple[Format, bytes] | None:
    """The format of `data` by how it begins, and the file to decode. An icon is unwrapped here alone.

    Raises ImageFormatInvalid for an icon that holds nothing.
    """
    found = begins_as(data)
    if found is None:
        return None
    if found.unwrap is None:
        return found, data
    inner = found.unwrap(data)
    return (PNG, inner) if inner.startswith(png.SIGNATURE) else (found, inner)
