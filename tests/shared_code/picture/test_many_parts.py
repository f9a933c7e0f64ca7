"""Files of very many parts, and of parts that no decoder sees."""

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from PIL import Image

from shared_code.errors import ImageDimensionNotAllowed, ImageFormatInvalid, SegmentError
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.modes import Mode
from shared_code.picture.decoding import decode
from shared_code.picture.header import open_source
from tests.shared_code.matte.networks import FlatNetwork
from tests.shared_code.picture.samples import (
    PNG_MAGIC,
    jpeg_of,
    jpeg_segment,
    jpeg_segments,
    png_chunk,
    saved,
    tiff_of,
)
from tests.shared_code.picture.samples import icon as icon_of
from tests.shared_code.picture.samples import png as png_of
from tests.support.campaign import some
from tests.support.photos import photo
from tests.support.rooms import cut_out

SMALL = photo().resize((100, 80))
GRAY = SMALL.convert("L")


def jpeg_with(front: bytes) -> bytes:
    return b"\xff\xd8" + front + saved(SMALL, "JPEG")[2:]


def scans(size: tuple[int, int], count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    segments = jpeg_segments(saved(Image.new("L", size, 200), "JPEG", progressive=True))
    return jpeg_of(*segments, *segments[-1:] * count)


def tables_between_scans(count: int) -> bytes:
    *tables, scan = jpeg_segments(saved(GRAY, "JPEG", progressive=True))
    return jpeg_of(*tables, *[jpeg_segment(0xDB, bytes(65))] * count, scan)


def strips(count: int, rows: int = 80, kind: int = 4) -> bytes:
    return tiff_of(100, 80, {278: (4, (rows,)), 273: (kind, (8,) * count), 279: (4, (8,) * count)})


def tiles(count: int, side: int) -> bytes:
    where = {322: (4, (side,)), 323: (4, (side,)), 324: (4, (8,) * count), 325: (4, (8,) * count)}
    return tiff_of(300, 300, where)


def chain_of_pages(data: bytes) -> bytes:
    """A TIFF whose one directory names itself as the next page."""
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    link = at + 2 + 12 * entries
    return data[:link] + struct.pack("<I", at) + data[link + 4 :]


def pages(count: int) -> bytes:
    """A chain of empty directories behind the first."""
    data = saved(SMALL, "TIFF")
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    link = at + 2 + 12 * entries
    places = range(len(data), len(data) + 6 * count, 6)
    chain = b"".join(struct.pack("<HI", 0, place + 6) for place in places)
    return data[:link] + struct.pack("<I", len(data)) + data[link + 4 :] + chain


def big_tiff_entries(count: int) -> bytes:
    entry = struct.pack("<HHQQ", 40_000, 3, 1, 1)
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, count) + entry * count + bytes(8)


def gif_with(front: bytes) -> bytes:
    data = saved(GRAY, "GIF")
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + front + data[at:]


def webp_with(count: int) -> bytes:
    data = saved(SMALL, "WEBP")
    body = data[12:] + b"junk\0\0\0\0" * count
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def runs(tokens: bytes, side: int = 2000) -> bytes:
    palette = b"".join(bytes([level, 0, level, 0]) for level in range(256))
    offset = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(tokens), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(tokens), 0, 0, offset) + header + palette + tokens


MANY: dict[str, Callable[[], bytes]] = {
    "JPEG, scans": lambda: scans((100, 80), 20_000),
    "JPEG, blocks in few scans": lambda: scans((16_000, 6_000), 90),
    "JPEG, comments": lambda: jpeg_with(jpeg_segment(0xFE, b"") * 5_000_000),
    "JPEG, tables between scans": lambda: tables_between_scans(250_000),
    "PNG, notes": lambda: png_of(100, 80, before=[png_chunk(b"tEXt", b"")] * 1_700_000),
    "PNG, empty pixels": lambda: png_of(100, 80, before=[png_chunk(b"IDAT", b"")] * 1_700_000),
    "GIF, one long comment": lambda: gif_with(b"!\xfe" + b"\1x" * 10_000_000 + b"\0"),
    "GIF, terminators": lambda: gif_with(bytes(20_000_000)),
    "WEBP, chunks": lambda: webp_with(2_600_000),
    "BMP, runs": lambda: runs(b"\1\1" * 10_000_000, 4000),
    "BMP, ends of lines": lambda: runs(b"\0\2\0\0" * 5_000_000, 4000),
    "TIFF, strips": lambda: tiff_of(100, 1_000_000, {273: (4, (8,) * 1_000_000), 278: (4, (1,))}),
    "TIFF, tiles": lambda: tiles(2_400_000, 1),
    "TIFF, tile side": lambda: tiles(1, 1 << 20),
    "TIFF, entries": lambda: big_tiff_entries(1_000_000),
    "TIFF, pages": lambda: pages(1_000_000),
    "ICO, frames": lambda: icon_of(*[(16, 16, 32, b"")] * 65_535),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", some(MANY, 4))
def test_very_many_parts_end_with_their_room(make: Callable[[], bytes]) -> None:
    """As many as 20 MB have: a second of CPU time ends what has not ended by itself."""
    data = make()
    assert len(data) <= MAX_IMAGE_BYTES
    with suppress(ImageFormatInvalid, ImageDimensionNotAllowed):
        cut_out(data, Mode.BACKGROUND_REMOVAL, FlatNetwork())


COUNTS_THAT_DO_NOT_MATCH = {
    "more strips than rows": lambda: strips(5_000),
    "bytes as offsets": lambda: strips(5_000, kind=1),
    "fewer strips than rows": lambda: strips(1, rows=10),
    "no strip": lambda: strips(0),
    "more tiles": lambda: tiles(5_000, 160),
}


@pytest.mark.parametrize("make", COUNTS_THAT_DO_NOT_MATCH.values(), ids=COUNTS_THAT_DO_NOT_MATCH)
def test_tiff_counts_must_match_the_geometry(make: Callable[[], bytes]) -> None:
    with pytest.raises(ImageFormatInvalid):
        open_source(make())


def bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


HARMLESS: dict[str, Callable[[], bytes]] = {
    "JPEG, 20 MB of metadata": lambda: jpeg_with(jpeg_segment(0xE1, bytes(65_000)) * 300),
    "JPEG, fill bytes": lambda: jpeg_with(b"\xff" * 1_000_000),
    "JPEG, noise between segments": lambda: jpeg_with(jpeg_segment(0xFE, b"") + b"x" * 1_000_000),
    "JPEG, pictures behind it": lambda: saved(SMALL, "JPEG") * 100,
    "PNG, a note of 64 MB": lambda: png_of(
        100, 80, pixels=bytes(24_000), before=[png_chunk(b"zTXt", b"a\0\0" + bomb(1 << 26))]
    ),
    "PNG, a profile of 64 MB": lambda: png_of(
        100, 80, pixels=bytes(24_000), before=[png_chunk(b"iCCP", b"a\0\0" + bomb(1 << 26))]
    ),
    "PNG, XMP of 64 MB": lambda: png_of(
        100,
        80,
        pixels=bytes(24_000),
        after=[png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb(1 << 26))],
    ),
    "PNG, deflated pixels of 64 MB": lambda: (
        PNG_MAGIC
        + b"".join(
            (
                png_chunk(b"IHDR", struct.pack(">IIBBBBB", 100, 80, 8, 2, 0, 0, 0)),
                png_chunk(b"IDAT", bomb(1 << 26)[:50_000]),
                png_chunk(b"IEND", b""),
            )
        )
    ),
    "GIF, frames behind it": lambda: saved(
        GRAY, "GIF", save_all=True, append_images=[GRAY.rotate(turn) for turn in range(20)]
    ),
    "TIFF, its own next page": lambda: chain_of_pages(saved(SMALL, "TIFF")),
    "TIFF, a resolution of 100 000 fractions": lambda: tiff_of(100, 80, {282: (5, (1,) * 200_000)}),
    "WEBP, an animation": lambda: saved(SMALL, "WEBP", save_all=True, append_images=[SMALL.rotate(90)] * 20),
}


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
def test_what_decoders_never_see_costs_nothing(make: Callable[[], bytes]) -> None:
    """The picture is as it is without; what the decoder is given is no larger than that."""
    source = open_source(make())
    picture = decode(source, 1)
    assert (picture.width, picture.height) == (100, 80)
    assert source.format.name in ("TIFF", "GIF") or len(source.survey.content) < 60_000


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_pillow_sees_no_metadata(form: str) -> None:
    """Whatever a plugin would make of them is not reached. The comments of a GIF are skipped in Python."""
    options: dict[str, object] = {"exif": Image.Exif()} if form in ("JPEG", "PNG", "WEBP") else {}
    data = saved(SMALL, form, comment=b"note", **options) if form == "JPEG" else saved(SMALL, form)
    with Image.open(io.BytesIO(open_source(data).survey.content)) as image:
        assert not {"comment", "exif", "xmp", "icc_profile", "photoshop"} & image.info.keys()


def test_a_png_signature_alone() -> None:
    with pytest.raises(SegmentError):
        open_source(PNG_MAGIC)
