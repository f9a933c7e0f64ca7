import pytest

from segment_client.answer import PngStream
from segment_client.errors import Broken, NotOurs
from tests.support.photos import encoded

PNG = encoded("PNG", 61, 52)


def size(data: bytes, piece: int) -> tuple[int, int]:
    stream = PngStream()
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


@pytest.mark.parametrize("data", [b"<", b"<html>", b"\x89PNX", b"\xff\xd8\xff"])
def test_none(data: bytes) -> None:
    with pytest.raises(NotOurs):
        size(data, 3)
