import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from shared_code.content_coding import BoundedBody, ContentCodingError, decoder_for
from shared_code.errors import ImageSizeNotAllowed

PICTURE = bytes(range(256)) * 40
BARE = zlib.compress(PICTURE, wbits=-zlib.MAX_WBITS)
EMPTY_MEMBER = gzip.compress(b"")
MAX_BYTES = 20_000


def read(content_encoding: str, data: bytes, chunk_bytes: int, max_bytes: int = MAX_BYTES) -> bytes:
    body = BoundedBody(decoder_for(content_encoding), max_bytes)
    for start in range(0, len(data), chunk_bytes):
        body.add(data[start : start + chunk_bytes])
    return body.content()


CODINGS = [
    ("", PICTURE),
    ("identity", PICTURE),
    (" Identity ", PICTURE),
    ("gzip", gzip.compress(PICTURE)),
    ("GZIP", gzip.compress(PICTURE, 0)),
    ("x-gzip", gzip.compress(PICTURE[:5000]) + gzip.compress(PICTURE[5000:])),
    ("gzip", EMPTY_MEMBER * 3 + gzip.compress(PICTURE) + EMPTY_MEMBER),
    ("deflate", zlib.compress(PICTURE)),
    ("deflate", zlib.compress(PICTURE, 0)),
    ("deflate", BARE),
    ("deflate", zlib.compress(PICTURE, 0, wbits=-zlib.MAX_WBITS)),
    ("gzip, identity", gzip.compress(PICTURE)),
    ("aws-chunked,gzip", gzip.compress(PICTURE)),
    ("GZIP,aws-chunked,", gzip.compress(PICTURE)),
    *(
        (name, PICTURE)
        for name in (
            "aws-chunked",
            "UTF-8",
            "binary",
            "none",
            "8bit",
            "base64",
            "image/png",
            "*",
            ",",
            "\xff",
        )
    ),
]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 16])
@pytest.mark.parametrize(("content_encoding", "data"), CODINGS)
def test_decodes(content_encoding: str, data: bytes, chunk_bytes: int) -> None:
    assert read(content_encoding, data, chunk_bytes) == PICTURE


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "deflate,gzip", "gzip;q=1"])
def test_what_is_not_unpacked_is_taken_as_it_is(coding: str) -> None:
    packed = gzip.compress(gzip.compress(PICTURE))
    assert read(coding, packed, 1 << 16) == packed


CORRUPT = [
    ("gzip", gzip.compress(PICTURE)[:-1]),
    ("gzip", gzip.compress(PICTURE)[:5]),
    ("gzip", gzip.compress(PICTURE) + b"trailing"),
    ("gzip", gzip.compress(PICTURE) + gzip.compress(PICTURE)[:-1]),
    ("gzip", gzip.compress(PICTURE)[:-8] + bytes(8)),
    ("gzip", zlib.compress(PICTURE)),
    ("gzip", b"\x89PNG\r\n\x1a\n"),
    ("deflate", zlib.compress(PICTURE)[:-1]),
    ("deflate", zlib.compress(PICTURE)[:-4] + bytes(4)),
    ("deflate", zlib.compress(PICTURE) + b"!"),
    ("deflate", BARE[:-1]),
    ("deflate", b"\x89PNG\r\n\x1a\n"),
    ("gzip", EMPTY_MEMBER * 1025),
]


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 16])
@pytest.mark.parametrize(("content_encoding", "data"), CORRUPT)
def test_refuses_corrupt_and_truncated_data(content_encoding: str, data: bytes, chunk_bytes: int) -> None:
    with pytest.raises(ContentCodingError):
        read(content_encoding, data, chunk_bytes, max_bytes=10**6)


WRONG_SIZES = [
    ("", b""),
    ("gzip", b""),
    ("gzip", EMPTY_MEMBER * 3),
    ("deflate", zlib.compress(b"")),
    ("", bytes(MAX_BYTES + 1)),
    ("gzip", gzip.compress(bytes(MAX_BYTES + 1))),
    ("gzip", gzip.compress(bytes(MAX_BYTES)) + gzip.compress(b"!")),
    ("deflate", zlib.compress(bytes(MAX_BYTES + 1))),
    ("deflate", zlib.compress(bytes(MAX_BYTES + 1), wbits=-zlib.MAX_WBITS)),
    # Fits once decoded, but not as it is sent.
    ("gzip", EMPTY_MEMBER * 900 + gzip.compress(bytes(2_100), 0)),
]


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 16])
@pytest.mark.parametrize(("content_encoding", "data"), WRONG_SIZES)
def test_refuses_wrong_sizes(content_encoding: str, data: bytes, chunk_bytes: int) -> None:
    with pytest.raises(ImageSizeNotAllowed):
        read(content_encoding, data, chunk_bytes)


FULL = bytes(MAX_BYTES)


@pytest.mark.parametrize(
    ("content_encoding", "data"),
    [("", FULL), ("gzip", gzip.compress(FULL)), ("deflate", zlib.compress(FULL))],
)
def test_the_largest_size_passes(content_encoding: str, data: bytes) -> None:
    assert read(content_encoding, data, 1 << 16) == FULL


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 20) + 259, 5 << 20])
@pytest.mark.parametrize("level", [1, 9])
def test_large_output_of_a_small_chunk_is_all_read(size: int, level: int) -> None:
    # A bare stream of this kind ends in output for which zlib has read all input already.
    bare = zlib.compress(bytes(size), level, wbits=-zlib.MAX_WBITS)
    assert len(read("deflate", bare, 1 << 16, max_bytes=size)) == size
    assert len(read("gzip", gzip.compress(bytes(size), level), 1 << 16, max_bytes=size)) == size


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_bomb_is_never_held_in_memory(coding: str, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(100_000_000))
    assert len(bomb) < 200_000
    tracemalloc.start()
    with pytest.raises(ImageSizeNotAllowed):
        read(coding, bomb, 1 << 16, max_bytes=200_000)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 8_000_000


def test_gzip_has_1024_members_at_most() -> None:
    last = gzip.compress(PICTURE)
    assert read("gzip", EMPTY_MEMBER * 1023 + last, 1 << 16, max_bytes=1 << 20) == PICTURE
    with pytest.raises(ContentCodingError):
        read("gzip", EMPTY_MEMBER * 1024 + last, 1 << 16, max_bytes=1 << 20)
