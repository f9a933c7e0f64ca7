"""The accepted formats, one row each: a file cannot reach a decoder that is not in this table.

Recognition, decoding, memory, the API's description and the web page follow from it. Tests compare it with
docs/api.md and with the suffixes that the client sends.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared_code.picture import bmp, gif, icon, jpeg, png, run_length, tiff, tiff_directory, tiff_page, webp
from shared_code.picture.caps import Cap
from shared_code.picture.survey import Stored, Survey

_BY_MODE: Mapping[str | None, float] = {"1": 1.1, "L": 1.1, "P": 1.1, "I;16": 2.1, "I;16B": 2.1}
"""Bytes that Pillow holds of a pixel of each mode; 4.1 of all others."""


@dataclass(frozen=True)
class Format:
    """An accepted format.

    names: as docs/api.md gives them; those behind the first are the same to the decoder.
    begins: how its files begin.
    signature: a longer beginning, where `begins` alone is too short to tell a picture from other data.
    plugin: Pillow's name of the one decoder that it may reach; empty where it reaches none.
    survey: walks the structure, before the decoder sees it. Raises ImageFormatInvalid, or whatever a cut
    file makes Python raise.
    load: decodes what `survey` left, at a fraction of the size where `scalable`.
    bytes_per_pixel: what decoding takes for each pixel, by Pillow's mode; `None` is the key for the others.
    orientation: where it is looked for. integrity: what of damage is noticed, beside the end of the file.
    caps: the parts that are counted.
    """

    names: tuple[str, ...]
    media_type: str
    endings: tuple[str, ...]
    begins: re.Pattern[bytes]
    survey: Callable[[bytes], Survey]
    load: Callable[[Survey, int], Stored]
    orientation: str
    integrity: str
    caps: tuple[Cap, ...]
    plugin: str = ""
    bytes_per_pixel: Mapping[str | None, float] = field(default_factory=lambda: _BY_MODE)
    scalable: bool = False
    signature: re.Pattern[bytes] | None = None
    unwrap: Callable[[bytes], bytes] | None = None
    """Gives the file that a container of this format holds, which is then recognised anew."""

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
    load=jpeg.load,
    orientation="EXIF, XMP",
    integrity="scans that end early, coefficients that never came, runs of zeros",
    caps=(jpeg.SCANS, jpeg.BLOCK_VISITS, jpeg.SEGMENTS),
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
    orientation="EXIF, XMP",
    integrity="checksums of all chunks that carry pixels, the end chunk",
    caps=(png.CHUNKS,),
)
GIF = Format(
    names=("GIF",),
    media_type="image/gif",
    endings=(".gif",),
    begins=re.compile(rb"GIF8[79]a"),
    plugin="GIF",
    survey=gif.survey,
    load=gif.load,
    orientation="none",
    integrity="pixels that end early",
    caps=(gif.BLOCKS,),
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
    orientation="none",
    integrity="pixels that end early",
    caps=(run_length.RUNS,),
)
WEBP = Format(
    names=("WEBP",),
    media_type="image/webp",
    endings=(".webp",),
    begins=re.compile(rb"RIFF....WEBP", re.DOTALL),
    plugin="WEBP",
    survey=webp.survey,
    load=webp.load,
    orientation="EXIF, XMP",
    integrity="pixels that end early",
    caps=(webp.CHUNKS,),
)
TIFF = Format(
    names=("TIFF",),
    media_type="image/tiff",
    endings=(".tif", ".tiff"),
    begins=re.compile(rb"(?:II|MM)(?:[*+]\x00|\x00[*+])"),
    plugin="TIFF",
    survey=tiff.survey,
    load=tiff.load,
    orientation="its own tag, XMP",
    integrity="strips and tiles whose data ends early or cannot be unpacked",
    caps=(tiff_directory.ENTRIES, tiff_page.CHUNKS, tiff_page.TILE_SIDE, jpeg.BLOCK_VISITS),
)
ICO = Format(
    names=("ICO",),
    media_type="image/x-icon",
    endings=(".ico",),
    begins=re.compile(rb"\x00\x00\x01\x00"),
    signature=re.compile(rb"\x00\x00\x01\x00[^\x00]"),  # at least one image
    survey=icon.survey,
    load=icon.load,
    orientation="none",
    integrity="pixels or mask that end early; an icon of a PNG is checked as one",
    caps=(icon.FRAMES,),
    unwrap=icon.frame,
)

FORMATS = (JPEG, PNG, GIF, BMP, WEBP, TIFF, ICO)


def format_names() -> str:
    """All names in a sentence: "A, B or C"."""
    *names, last = (name for row in FORMATS for name in row.names)
    return f"{', '.join(names)} or {last}"


SIGNATURE_BYTES: Final = 18
"""`begins_as_picture` needs no more bytes than these, from the beginning of a file."""


def begins_as_picture(data: bytes | bytearray) -> bool:
    """Whether `data` begins as a file of an accepted format does; the rest of it may be anything."""
    return any((row.signature or row.begins).match(data) for row in FORMATS)


def recognise(data: bytes) -> tuple[Format, bytes] | None:
    """The format of `data` by how it begins, and the file to decode. An icon is unwrapped here alone.

    Raises ImageFormatInvalid for an icon that holds nothing.
    """
    found = next((row for row in FORMATS if row.begins.match(data)), None)
    if found is None:
        return None
    if found.unwrap is None:
        return found, data
    inner = found.unwrap(data)
    return (PNG, inner) if inner.startswith(png.SIGNATURE) else (found, inner)
