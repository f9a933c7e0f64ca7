import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.png_integrity import check_png
from tests.support.photos import encoded


def chunk(kind: bytes, data: bytes, crc32: int | None = None) -> bytes:
    if crc32 is None:
        crc32 = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress(b"\0\0"))
END = chunk(b"IEND", b"")
WHOLE = SIGNATURE + HEADER + PIXELS + END


def text_png() -> bytes:
    notes = PngInfo()
    notes.add_text("Comment", "a")
    out = io.BytesIO()
    Image.new("L", (60, 60)).save(out, "PNG", pnginfo=notes)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(WHOLE, id="whole"),
        pytest.param(encoded("PNG"), id="photo"),
        pytest.param(text_png(), id="text"),
        pytest.param(WHOLE + b"anything", id="something after the end"),
        pytest.param(
            SIGNATURE + HEADER + chunk(b"tEXt", b"a\0b", crc32=0) + PIXELS + END, id="ancillary chunk altered"
        ),
    ],
)
def test_accepts(data: bytes) -> None:
    check_png(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(SIGNATURE, id="signature only"),
        pytest.param(SIGNATURE + HEADER + PIXELS, id="no end"),
        pytest.param(SIGNATURE + HEADER + chunk(b"IDAT", b"pixels", crc32=0) + END, id="pixels altered"),
        pytest.param(SIGNATURE + HEADER + PIXELS + chunk(b"IEND", b"", crc32=0), id="end altered"),
        pytest.param(SIGNATURE + b"\xff\xff\xff\xffIDAT" + bytes(20), id="length beyond the file"),
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(ImageFormatInvalid):
        check_png(data)


def test_refuses_a_file_cut_at_any_byte() -> None:
    for size in range(len(WHOLE)):
        with pytest.raises(ImageFormatInvalid):
            check_png(WHOLE[:size])
