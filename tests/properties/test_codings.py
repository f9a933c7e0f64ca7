"""Content codings: what was packed comes back, in whatever pieces; what is damaged is refused."""

import gzip
import zlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from shared_code.content_coding import BoundedBody, ContentCodingError, decoder_for
from shared_code.errors import ImageSizeNotAllowed
from tests.properties.strategies import chunked, damaged

MOST = 2_000


def bare(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


def members(data: bytes) -> bytes:
    """Two in a row."""
    return gzip.compress(data[:7], mtime=0) + gzip.compress(data[7:], 0, mtime=0)


PACKED: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("", bytes),
    ("aws-chunked", bytes),
    ("gzip", members),
    (" X-GZIP , identity", members),
    ("deflate", zlib.compress),
    ("Deflate", bare),
)


def read(coding: str, chunks: list[bytes]) -> bytes | type[Exception]:
    """The body, or the documented refusal."""

    body = BoundedBody(decoder_for(coding), MOST)
    try:
        for chunk in chunks:
            body.add(chunk)
        return body.content()
    except (ContentCodingError, ImageSizeNotAllowed) as refusal:
        return type(refusal)


@given(st.sampled_from(PACKED), st.binary(min_size=1, max_size=500), st.data())
def test_what_is_packed_comes_back(
    packed: tuple[str, Callable[[bytes], bytes]], data: bytes, choice: st.DataObject
) -> None:
    coding, pack = packed
    assert read(coding, choice.draw(chunked(pack(data)))) == data


@given(st.sampled_from(PACKED), st.binary(max_size=500), st.data())
def test_where_damaged_data_is_cut_does_not_matter(
    packed: tuple[str, Callable[[bytes], bytes]], data: bytes, choice: st.DataObject
) -> None:
    coding, pack = packed
    body = choice.draw(damaged(pack(data)))
    outcome = read(coding, [body])
    assert isinstance(outcome, type) or 1 <= len(outcome) <= MOST
    assert read(coding, choice.draw(chunked(body))) == outcome


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.binary(min_size=1, max_size=100))
def test_any_field(coding: str, data: bytes) -> None:
    assert isinstance(read(coding, [data]), bytes | type)
