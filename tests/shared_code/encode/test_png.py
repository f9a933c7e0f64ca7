import io
import itertools
import struct
import zlib
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_code.encode.encoder import Pixels, encoded
from shared_code.encode.png import DeflatedStrip, PngColour, PngEncoder, deflate_strip, png_encoder
from tests.support.photos import photo

SIZES = [(1, 1), (1, 300), (300, 1), (50, 50), (333, 77), (640, 201)]
STRIP_ROWS = [1, 2, 7, 1000]


def pixels(width: int, height: int, colour: PngColour, kind: str) -> NDArray[np.uint8]:
    shape = (height, width * colour.bytes_per_pixel)
    if kind == "noise":
        return np.random.default_rng(width * height).integers(0, 256, shape, np.uint8)
    mode = "RGBA" if colour is PngColour.RGBA else "L"
    return np.ascontiguousarray(np.asarray(photo().convert(mode).resize((width, height))).reshape(shape))


def strips_of(image: NDArray[np.uint8], colour: PngColour, rows: int) -> list[DeflatedStrip]:
    return [deflate_strip(image[top : top + rows], colour) for top in range(0, len(image), rows)]


def png_of(width: int, height: int, colour: PngColour, strips: Iterable[DeflatedStrip]) -> bytes:
    encoder = PngEncoder(width, height, colour)
    return b"".join([encoder.head(), *map(encoder.join, strips), encoder.tail()])


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of all chunks; the CRCs are checked with zlib's own."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found = []
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(kind + data),)
        found.append((kind, data))
        at += length + 12
    assert at == len(png)
    return found


@pytest.mark.parametrize("colour", PngColour)
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("kind", ["noise", "photo"])
def test_pillow_reads_what_was_written(colour: PngColour, width: int, height: int, kind: str) -> None:
    image = pixels(width, height, colour, kind)
    for rows in STRIP_ROWS:
        png = png_of(width, height, colour, strips_of(image, colour, rows))
        with Image.open(io.BytesIO(png)) as decoded:
            decoded.load()
            assert decoded.size == (width, height)
            assert decoded.mode == {"GRAY": "L", "GRAY_PALETTE": "P", "RGBA": "RGBA"}[colour.name]
            np.testing.assert_array_equal(np.asarray(decoded).reshape(image.shape), image)
            assert decoded.convert("L").tobytes() == decoded.tobytes() or colour is PngColour.RGBA


@pytest.mark.parametrize("colour", PngColour)
def test_joined_strips_are_one_zlib_stream(colour: PngColour) -> None:
    """`zlib.decompress` checks the Adler-32 and refuses what follows the last block."""
    width, height = 101, 67
    image = pixels(width, height, colour, "photo")
    for rows in STRIP_ROWS:
        chunks = chunks_of(png_of(width, height, colour, strips_of(image, colour, rows)))
        stream = zlib.decompressobj()
        plain = stream.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
        assert stream.eof
        assert stream.unused_data == b""
        filtered = np.frombuffer(plain, np.uint8).reshape(height, -1)
        assert set(filtered[::rows, 0]) == {1}
        assert set(np.delete(filtered[:, 0], np.s_[::rows])) <= {2}


def test_adler_of_many_long_strips() -> None:
    """Sums that wrap around the modulus in every step."""
    image = np.full((40, 70_000), 255, np.uint8)
    image[::2] = 1
    png = png_of(70_000, 40, PngColour.GRAY, strips_of(image, PngColour.GRAY, 3))
    plain = zlib.decompress(b"".join(data for kind, data in chunks_of(png) if kind == b"IDAT"))
    assert len(plain) == 40 * 70_001


@pytest.mark.parametrize(
    ("colour", "colour_type", "kinds"),
    [
        (PngColour.GRAY, 0, ["IHDR", "gAMA", "sRGB", "cHRM", "IDAT", "IEND"]),
        (PngColour.GRAY_PALETTE, 3, ["IHDR", "gAMA", "sRGB", "cHRM", "PLTE", "IDAT", "IEND"]),
        (PngColour.RGBA, 6, ["IHDR", "gAMA", "sRGB", "cHRM", "IDAT", "IEND"]),
    ],
)
def test_chunks(colour: PngColour, colour_type: int, kinds: list[str]) -> None:
    chunks = chunks_of(png_of(60, 50, colour, strips_of(pixels(60, 50, colour, "photo"), colour, 20)))
    assert [kind.decode() for kind, _ in itertools.groupby(kind for kind, _ in chunks)] == kinds
    content = dict(chunks)
    assert content[b"IHDR"] == struct.pack(">IIBBBBB", 60, 50, 8, colour_type, 0, 0, 0)
    assert content[b"gAMA"] == struct.pack(">I", 45_455)
    assert content[b"sRGB"] == b"\0"
    assert struct.unpack(">8I", content[b"cHRM"]) == (
        31_270,
        32_900,
        64_000,
        33_000,
        30_000,
        60_000,
        15_000,
        6_000,
    )
    levels = np.frombuffer(content.get(b"PLTE", b""), np.uint8)
    gray_palette = np.arange(256).repeat(3)
    np.testing.assert_array_equal(
        levels, gray_palette if colour is PngColour.GRAY_PALETTE else gray_palette[:0]
    )


@pytest.mark.parametrize(
    ("held", "gray_palette", "colour"),
    [
        (Pixels.RGBA, False, PngColour.RGBA),
        (Pixels.RGBA, True, PngColour.RGBA),
        (Pixels.GRAY, False, PngColour.GRAY),
        (Pixels.GRAY, True, PngColour.GRAY_PALETTE),
    ],
)
def test_the_encoder_of_an_answer(held: Pixels, gray_palette: bool, colour: PngColour) -> None:
    image = pixels(60, 50, colour, "photo")
    encoder = png_encoder(60, 50, held, gray_palette=gray_palette)
    assert encoded(encoder, [image[:25], image[25:]]) == png_of(60, 50, colour, strips_of(image, colour, 25))


def test_photos_deflate() -> None:
    """Not larger than 1.4 times what Pillow's slow search over filters and levels makes of it."""
    image = pixels(512, 512, PngColour.RGBA, "photo")
    out = io.BytesIO()
    Image.fromarray(image.reshape(512, 512, 4)).save(out, "PNG")
    ours = png_of(512, 512, PngColour.RGBA, strips_of(image, PngColour.RGBA, 512))
    assert len(ours) < 1.4 * len(out.getvalue())
