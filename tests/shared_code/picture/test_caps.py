"""Small files of very many parts: each is refused by its count, before a decoder sees it."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from shared_code.errors import ImageFormatInvalid, SegmentError
from shared_code.picture import gif, icon, jpeg, png, run_length, tiff_directory, tiff_page, webp
from shared_code.picture.caps import Cap
from shared_code.picture.decoding import decode
from shared_code.picture.header import open_source
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
from tests.support.photos import photo

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


ABOVE: dict[str, tuple[Cap, Callable[[], bytes]]] = {
    "JPEG, scans": (jpeg.SCANS, lambda: scans((100, 80), jpeg.SCANS.most)),
    "JPEG, blocks in few scans": (jpeg.BLOCK_VISITS, lambda: scans((16_000, 6_000), 90)),
    "JPEG, Exif": (jpeg.SEGMENTS, lambda: jpeg_with(jpeg_segment(0xE1, b"Exif\0\0MM") * 5000)),
    "JPEG, comments": (jpeg.SEGMENTS, lambda: jpeg_with(jpeg_segment(0xFE, b"") * 5000)),
    "JPEG, tables": (jpeg.SEGMENTS, lambda: jpeg_with(jpeg_segment(0xDB, bytes(65)) * 5000)),
    "JPEG, tables between scans": (jpeg.SEGMENTS, lambda: tables_between_scans(5000)),
    "JPEG, starts": (jpeg.SEGMENTS, lambda: jpeg_with(b"\xff\xd8" * 5000)),
    "PNG, notes": (png.CHUNKS, lambda: png_of(100, 80, before=[png_chunk(b"tEXt", b"a\0b")] * 70_000)),
    "PNG, empty pixels": (png.CHUNKS, lambda: png_of(100, 80, before=[png_chunk(b"IDAT", b"")] * 70_000)),
    "GIF, comments": (gif.BLOCKS, lambda: gif_with(b"!\xfe\1x\0" * 140_000)),
    "GIF, one long comment": (gif.BLOCKS, lambda: gif_with(b"!\xfe" + b"\1x" * 270_000 + b"\0")),
    "GIF, empty extensions": (gif.BLOCKS, lambda: gif_with(b"!\xfe\0" * 270_000)),
    "GIF, terminators": (gif.BLOCKS, lambda: gif_with(bytes(270_000))),
    "WEBP, chunks": (webp.CHUNKS, lambda: webp_with(70_000)),
    "BMP, runs": (run_length.RUNS, lambda: runs(b"\1\1" * 2_200_000)),
    "BMP, ends of lines": (run_length.RUNS, lambda: runs(b"\0\2\0\0" * 2_200_000)),
    "TIFF, strips": (tiff_page.CHUNKS, lambda: tiff_of(100, 70_000, {278: (4, (1,))})),
    "TIFF, tiles": (tiff_page.CHUNKS, lambda: tiles(90_000, 1)),
    "TIFF, tile side": (tiff_page.TILE_SIDE, lambda: tiles(1, 1 << 20)),
    "TIFF, entries": (
        tiff_directory.ENTRIES,
        lambda: tiff_of(100, 80, dict.fromkeys(range(40000, 42000), (3, (1,)))),
    ),
    "ICO, frames": (icon.FRAMES, lambda: icon_of(*[(16, 16, 32, b"")] * 2000)),
}


@pytest.mark.parametrize(("cap", "make"), ABOVE.values(), ids=ABOVE)
def test_more_than_the_cap(cap: Cap, make: Callable[[], bytes], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "shared_code.picture.caps")
    with pytest.raises(ImageFormatInvalid):
        decode(open_source(make()), 1)
    assert cap.what in caplog.text


COUNTS_THAT_DO_NOT_MATCH = {
    "more strips than rows": lambda: strips(5_000),
    "bytes as offsets": lambda: strips(5_000, kind=1),
    "fewer strips than rows": lambda: strips(1, rows=10),
    "no strip": lambda: strips(0),
    "more tiles": lambda: tiles(5_000, 160),
    "strips that overlap": lambda: tiff_of(
        100, 80, {278: (4, (1,)), 273: (4, (0,) * 80), 279: (4, (100_000,) * 80)}
    ),
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


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_pillow_sees_no_metadata(form: str) -> None:
    """Whatever a plugin would make of them is not reached."""
    options: dict[str, object] = {"exif": Image.Exif()} if form in ("JPEG", "PNG", "WEBP") else {}
    data = saved(SMALL, form, comment=b"note", **options) if form in ("JPEG", "GIF") else saved(SMALL, form)
    with Image.open(io.BytesIO(open_source(data).survey.content)) as image:
        assert not {"comment", "exif", "xmp", "icc_profile", "photoshop"} & image.info.keys()


def test_a_png_signature_alone() -> None:
    with pytest.raises(SegmentError):
        open_source(PNG_MAGIC)
