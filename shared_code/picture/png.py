"""PNG (W3C PNG): reads the chunks, so that the decoder gets those that make pixels, complete and in order.

Pillow would stop at the last pixel, refuse pictures for damaged notes, and compare a transparent key with
samples that it has converted to 8 bits.
"""

import zlib
from dataclasses import dataclass, field

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

from shared_code.errors import ImageFormatInvalid
from shared_code.picture import pillow
from shared_code.picture.caps import MOST_PROFILE_BYTES, MOST_TEXT_BYTES
from shared_code.picture.exif import orientation
from shared_code.picture.survey import ColourSpace, Stored, Survey

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks that a still picture needs. Checksums and sizes of others do not matter."""
_NOTES = (b"iCCP", b"gAMA", b"sRGB", b"eXIf", b"iTXt", b"zTXt", b"tEXt")
_LONGEST = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"IEND": 0}
_XMP_KEY = b"XML:com.adobe.xmp"
_RAW_EXIF_KEYS = (b"Raw profile type exif", b"Raw profile type APP1")
"""How ImageMagick stores EXIF: a text of hexadecimal digits."""
_GRAY, _RGB = 0, 2
_GAMMAS = range(16, 625_000_001)
"""Values of a gAMA chunk, 100 000 times the exponent, that libpng takes; it ignores others."""
_BLOCK_ROWS = 256


@dataclass
class _Walk:
    """The content of the chunks."""

    kept: list[memoryview] = field(default_factory=list)
    dropped: bool = False
    header: bytes = b""
    notes: dict[bytes, memoryview] = field(default_factory=dict)


def survey(data: bytes) -> Survey:
    """Read the chunks of `data`: critical ones must have their CRC, and there must be an IEND (W3C PNG, 5.3,
    5.5).

    Raises ImageFormatInvalid: damaged files are refused, not guessed at.
    """
    walk = _chunks(data)
    if len(walk.header) != 13:
        raise ImageFormatInvalid
    content = b"".join((SIGNATURE, *walk.kept)) if walk.dropped else data
    notes = walk.notes
    return Survey(
        content,
        int.from_bytes(walk.header[:4]),
        int.from_bytes(walk.header[4:8]),
        orientation(bytes(notes.get(b"eXIf") or _raw_exif(notes)), bytes(notes.get(b"xmp ", b""))),
        _colour_space(notes),
        decoder_bytes=_key_bytes(walk),
    )


def load(survey: Survey, scale: int) -> Stored:
    """Decode the picture; a transparent key is compared with the samples as they are stored."""
    stored = pillow.load(survey, scale, "PNG")
    image, key = stored.image, stored.image.info.get("transparency")
    bits, colour_type = survey.content[24:26]
    if key is None or colour_type not in (_GRAY, _RGB) or bits == 1:
        return stored
    if bits < 16:
        # Pillow spreads samples of 2 and 4 bits over 8, and not the key.
        spread = 255 // ((1 << bits) - 1)
        lowest = (1 << bits) - 1
        image.info["transparency"] = (
            (key & lowest) * spread if isinstance(key, int) else tuple(part & lowest for part in key)
        )
        return stored
    del image.info["transparency"]
    return Stored(image, True, _opaque_but(image, survey, np.atleast_1d(np.asarray(key, np.uint16))))


def ends_early(data: bytes) -> bool:
    """Whether there is no end chunk."""
    return b"IEND" not in data[len(SIGNATURE) :]


def _chunks(data: bytes) -> _Walk:
    view, walk = memoryview(data), _Walk()
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ImageFormatInvalid
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            raise ImageFormatInvalid
        intact = isal_zlib.crc32(view[at + 4 : end]) == int.from_bytes(data[end : end + 4])
        if kind in _PIXELS:
            if not intact or end - at - 8 > _LONGEST.get(kind, end):
                raise ImageFormatInvalid
            walk.kept.append(view[at : end + 4])
            walk.header = walk.header or data[at + 8 : end]
        elif kind[:1].isupper():
            raise ImageFormatInvalid  # critical, and unknown
        else:
            walk.dropped = True
            if intact and kind in _NOTES:
                _note(walk.notes, kind, view[at + 8 : end])
        at = end + 4
    return walk


def _key_bytes(walk: _Walk) -> int:
    """What comparing a transparent key with 16-bit samples takes: alpha, and of colours the low bytes."""
    bits, colour_type = walk.header[8:10]
    if bits < 16 or not any(bytes(chunk[4:8]) == b"tRNS" for chunk in walk.kept):
        return 0
    pixels = int.from_bytes(walk.header[:4]) * int.from_bytes(walk.header[4:8])
    return pixels * (5 if colour_type == _RGB else 1)


def _note(notes: dict[bytes, memoryview], kind: bytes, body: memoryview) -> None:
    """Keep the first of each kind; of texts those that may hold an orientation, under a name of their own."""
    if kind not in (b"iTXt", b"zTXt", b"tEXt"):
        notes.setdefault(kind, body)
        return
    key, _, text = bytes(body[:MOST_TEXT_BYTES]).partition(b"\0")
    if kind == b"iTXt" and key == _XMP_KEY:
        flags, _, rest = text[:2], *text[2:].partition(b"\0")[1:]
        packet = rest.partition(b"\0")[2]
        notes.setdefault(
            b"xmp ", memoryview(_inflated(packet, MOST_TEXT_BYTES) if flags[:1] == b"\1" else packet)
        )
    elif key in _RAW_EXIF_KEYS:
        notes.setdefault(
            b"exif", memoryview(_inflated(text[1:], MOST_TEXT_BYTES) if kind == b"zTXt" else text)
        )


def _raw_exif(notes: dict[bytes, memoryview]) -> bytes:
    """Three lines of a heading, then hexadecimal digits."""
    digits = b"".join(b"".join(bytes(notes.get(b"exif", b"")).split(b"\n", 3)[3:]).split())
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def _colour_space(notes: dict[bytes, memoryview]) -> ColourSpace:
    """iCCP, else sRGB, else gAMA, as browsers read them (W3C PNG, 4.3)."""
    if b"iCCP" in notes:
        name_and_method = bytes(notes[b"iCCP"][:81]).find(b"\0") + 2
        profile = _inflated(bytes(notes[b"iCCP"][name_and_method:]), MOST_PROFILE_BYTES)
        if profile:
            return ColourSpace(icc_profile=profile)
    gamma = int.from_bytes(notes.get(b"gAMA", b"")[:4])
    return ColourSpace(gamma=gamma / 100_000) if gamma in _GAMMAS and b"sRGB" not in notes else ColourSpace()


def _inflated(data: bytes, most: int) -> bytes:
    """Nothing when `data` is damaged, or longer than `most` bytes unpacked."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data, most)
    except zlib.error:
        return b""
    return plain if inflate.eof else b""


def _opaque_but(image: Image.Image, survey: Survey, key: NDArray[np.uint16]) -> Image.Image:
    """Alpha of a 16-bit picture: 0 where all samples equal `key`, uint16 (samples,)."""
    low = image if key.size == 1 else _low_bytes(survey)
    alpha = Image.new("L", image.size)
    for top in range(0, image.height, _BLOCK_ROWS):
        box = (0, top, image.width, min(image.height, top + _BLOCK_ROWS))
        if key.size == 1:
            same = np.asarray(image.crop(box)) == key[0]
        else:
            same = (np.asarray(image.crop(box)) == key >> 8).all(2)
            same &= (np.asarray(low.crop(box)) == key & 0xFF).all(2)
        alpha.paste(Image.fromarray(np.where(same, np.uint8(0), np.uint8(255))), box)
    return alpha


def _low_bytes(survey: Survey) -> Image.Image:
    """The second byte of every 16-bit sample: Pillow takes the first, so it is told another order."""
    image = pillow.opened(survey.content, "PNG")
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    image.load()
    return image
