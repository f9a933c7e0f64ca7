"""Image URLs and the documents that name them: one reading, or a documented refusal."""

import json
from contextlib import suppress
from urllib.parse import quote

from hypothesis import assume, given
from hypothesis import strategies as st

from segment_function.fetch.target import UrlTarget, is_ip_address, parse_target
from segment_function.url_document import parse_url_document
from shared_code.errors import ImageUrlBadlyFormatted, UrlNotAccessible
from tests.properties.strategies import damaged

labels = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join) | st.ip_addresses(v=4).map(str)
schemes = st.sampled_from(("http", "https", "HTTPS"))
segments = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: quote(text, safe=""))
paths = st.lists(segments, max_size=4).map(lambda parts: "/" + "/".join(parts))
URLS = (
    "https://example.com:8443/a/b.jpg?sv=1&sig=a%2Bb#c",
    "http://[2001:db8::1]:80/a b.png",
    "HTTP://EXAMPLE.com./%2e%2e/x",
    "http://münchen.example/ü?ö=ä",
)


def target(url: str, base: UrlTarget | None = None) -> UrlTarget | None:
    """Where the URL leads; None where it is refused."""
    try:
        return parse_target(url, base)
    except UrlNotAccessible:
        return None


@given(schemes, hosts, st.none() | st.integers(1, 65_535), paths, st.none() | segments)
def test_what_is_written_comes_back(
    scheme: str, host: str, port: int | None, path: str, query: str | None
) -> None:
    url = f"{scheme}://{host}{'' if port is None else f':{port}'}{path}{'' if query is None else f'?{query}'}"
    found = parse_target(url)
    default = {"http": 80, "https": 443}[scheme.lower()]
    assert (found.scheme, found.host, found.port) == (scheme.lower(), host, port or default)
    assert found.path_and_query == (f"{path}?{query}" if query else path)
    assert found.host_header == (host if found.port == default else f"{host}:{port}")


def assert_one_reading(found: UrlTarget | None) -> None:
    """What is sent says the same again: no second parser can find another host in it."""
    if found is None:
        return
    assert found.host.isascii()
    assert found.path_and_query.isascii()
    assert found.path_and_query.startswith("/")
    assert not set(found.path_and_query) & set(" \r\n\t\\")
    again = parse_target(f"{found.scheme}://{found.host_header}{found.path_and_query}")
    assert (again.scheme, again.host, again.port) == (found.scheme, found.host, found.port)
    assert again.path_and_query == found.path_and_query
    assert is_ip_address(again.host) == is_ip_address(found.host)


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    assert_one_reading(target(text))


@given(schemes, st.text(max_size=60))
def test_anything_behind_a_scheme(scheme: str, rest: str) -> None:
    assert_one_reading(target(f"{scheme}://{rest}"))


@given(st.sampled_from(URLS), st.data())
def test_nearly_a_url(url: str, choice: st.DataObject) -> None:
    changed = choice.draw(damaged(url.encode())).decode("utf-8", "replace")
    assert_one_reading(target(changed))


@given(st.text(max_size=60))
def test_any_redirection(location: str) -> None:
    assert_one_reading(target(location, parse_target(URLS[0])))


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@given(
    st.text(st.characters(codec="utf-8")),
    st.sampled_from(ENCODINGS),
    st.booleans(),
    st.sampled_from(("url", "Url", "URL")),
)
def test_the_url_of_a_document_comes_back(url: str, encoding: str, ascii_only: bool, name: str) -> None:
    assume(url.strip())
    document = json.dumps({name: url, "other": [1]}, ensure_ascii=ascii_only).encode(encoding)
    assert parse_url_document(document, "application/json") == url.strip()


@given(st.binary(max_size=200), st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_document(data: bytes, content_type: str) -> None:
    for body in (data, b'{"url":' + data, b"{'url':'" + data + b"'}"):
        with suppress(ImageUrlBadlyFormatted):
            assert parse_url_document(body, "application/json; charset=" + content_type).strip()
