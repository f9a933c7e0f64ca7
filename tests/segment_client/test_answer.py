import pytest
from PIL import Image

from segment_client.answer import AnswerStream, box_of
from segment_client.errors import Broken, NotOurs
from tests.shared_code.picture.samples import saved
from tests.support.photos import encoded

RGBA = Image.radial_gradient("L").resize((61, 52)).convert("RGBA")
RGBA.putalpha(RGBA.getchannel("R"))
RGB = RGBA.convert("RGB")
PNG = encoded("PNG", 61, 52)
WEBPS = [saved(image, "WEBP", **how) for image in (RGB, RGBA) for how in ({}, {"lossless": True})]


def test_boxes_of_headers() -> None:
    assert box_of("1,20,300,4000") == (1, 20, 300, 4000)
    values = ["", "1,2,3", "1,2,3,4,5", "1, 2, 3, 4", "-1,2,3,4", "1,2,3,x", "1,2,3,4\n", "1,2,3,9999999999"]
    assert [box_of(value) for value in values] == [None] * len(values)


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("webp", WEBPS, ids=["lossy", "lossless", "alpha", "lossless alpha"])
def test_a_webp(webp: bytes, piece: int) -> None:
    assert size(webp, piece) == (61, 52)
    for cut in (webp[:-1], webp[:40], webp[:20], webp + b"x"):
        with pytest.raises(Broken, match=f"after {len(cut)} bytes"):
            size(cut, piece)


def size(data: bytes, piece: int) -> tuple[int, int]:
    stream = AnswerStream()
    for start in range(0, len(data), piece):
        stream.feed(data[start : start + piece])
    assert stream.bytes == len(data)
    return stream.size()


@pytest.mark.parametrize("piece", [1, 7, 12, 13, 1000, len(PNG)])
def test_a_whole_one(piece: int) -> None:
    assert size(PNG, piece) == (61, 52)


@pytest.mark.parametrize("length", [0, 1, 8, 23, 24, 40, len(PNG) // 2, len(PNG) - 12, len(PNG) - 1])
def test_a_part_of_one(length: int) -> None:
    with pytest.raises(Broken, match=f"after {length} bytes"):
        size(PNG[:length], 5)


def test_more_than_one() -> None:
    with pytest.raises(Broken):
        size(PNG + b"\n", 5)


@pytest.mark.parametrize("data", [b"<", b"<html>", b"\x89PNX", b"\xff\xd8\xff", b"RIFX", b"RIFF\0\0\0\0WAVE"])
def test_none(data: bytes) -> None:
    with pytest.raises(NotOurs):
        size(data, 3)
