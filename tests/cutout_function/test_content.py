import gzip
import random
import tracemalloc
import zlib

import pytest

from cutout_function.content import without_coding
from shared_code.errors import ImageSizeNotAllowed

MAX_BYTES = 100_000
PICTURE = b"\xff\xd8" + random.Random(4).randbytes(MAX_BYTES - 2)
GZIP = gzip.compress(PICTURE)


def uncoded(stored: bytes, content_encoding: str) -> bytes:
    return without_coding(stored, content_encoding, MAX_BYTES + 1000)


@pytest.mark.parametrize(
    ("content_encoding", "stored"),
    [
        ("", PICTURE),
        ("identity", PICTURE),
        ("gzip", GZIP),
        ("GZip ", GZIP),
        ("x-gzip", GZIP),
        ("gzip", gzip.compress(PICTURE[:50]) + gzip.compress(PICTURE[50:])),
        ("deflate", zlib.compress(PICTURE)),
        ("deflate", zlib.compress(PICTURE, wbits=-zlib.MAX_WBITS)),
    ],
)
def test_one_coding_is_removed(content_encoding: str, stored: bytes) -> None:
    assert uncoded(stored, content_encoding) == PICTURE


@pytest.mark.parametrize(
    ("content_encoding", "stored"),
    [
        ("gzip", PICTURE),
        ("deflate", PICTURE),
        ("gzip", GZIP[:-9]),
        ("gzip", GZIP[:500] + b"!" + GZIP[501:]),
        ("gzip", GZIP + b"more"),
        ("gzip, gzip", gzip.compress(GZIP)),
        ("br", b"\x0b\x02\x80abc\x03"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("utf-8", PICTURE),
        ("base64", b"/9g="),
    ],
)
def test_what_does_not_decode_is_given_as_it_is_stored(content_encoding: str, stored: bytes) -> None:
    assert uncoded(stored, content_encoding) == stored


@pytest.mark.parametrize("content_encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(("size_bytes", "fits"), [(1, True), (1000, True), (1001, False), (0, False)])
def test_the_limit_counts_what_is_unpacked(content_encoding: str, size_bytes: int, fits: bool) -> None:
    pack = gzip.compress if content_encoding == "gzip" else zlib.compress
    packed = pack(bytes(size_bytes))
    if fits:
        assert without_coding(packed, content_encoding, 1000) == bytes(size_bytes)
    else:
        with pytest.raises(ImageSizeNotAllowed):
            without_coding(packed, content_encoding, 1000)


def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(200 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ImageSizeNotAllowed):
            uncoded(bomb, "gzip")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
