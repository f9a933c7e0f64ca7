import json

import pytest

from segment_function.url_document import MAX_DOCUMENT_BYTES, parse_url_document
from shared_code.errors import ImageUrlBadlyFormatted

URL = "https://example.com/a.png?b=c&d"
JSON = json.dumps({"url": URL})
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("data", "url"),
    [
        (JSON.encode(), URL),
        (json.dumps({"url": URL}, indent=4).replace("\n", "\r\n").encode() + b"\r\n", URL),
        (json.dumps({"URL": "other", "url": URL, "x": [1, None]}).encode(), URL),
        (json.dumps({"url": URL, "Url": "other"}).encode(), URL),
        (b'{"url":"first","url":"last"}', "last"),
        (b'{"Url":"https://example.com/a"}', "https://example.com/a"),
        (b'{"URL":"first","Url":"last"}', "last"),
        (b'{"url":"https:\\/\\/example.com\\/\\u00e4?a\\u0026b"}', "https://example.com/ä?a&b"),
        (b'{"url":"  https://example.com/a b\\r\\n"}', "https://example.com/a b"),
        (b"{'url':'https://example.com/a.png'}", "https://example.com/a.png"),
        (b"  { 'url' : ' https://example.com/a b' , }\r\n", "https://example.com/a b"),
        (b"{'Url': 'https://example.com/a'}", "https://example.com/a"),
        (BOM + b"{'url':'https://example.com/a'}", "https://example.com/a"),
        ("{'url':'https://example.com/ä'}".encode(), "https://example.com/ä"),
        ("{'url':'https://example.com/ä'}".encode("utf-16"), "https://example.com/ä"),
    ],
)
def test_url(data: bytes, url: str) -> None:
    assert parse_url_document(data, "application/json") == url


UMLAUT = '{"url":"http://example.com/Bär.png"}'


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("", UMLAUT.encode()),
        ("", BOM + UMLAUT.encode()),
        ("", UMLAUT.encode("utf-16")),
        ("", UMLAUT.encode("utf-16-le")),
        ("", UMLAUT.encode("utf-32")),
        ("; charset=utf-8", UMLAUT.encode()),
        (";charset=UTF8", UMLAUT.encode()),
        ('; Charset="utf-8"', BOM + UMLAUT.encode()),
        ("; odata=verbose; charset=utf-8; x=y", UMLAUT.encode()),
        ("; charset=utf-16", UMLAUT.encode("utf-16-le")),
        ("; charset=utf-16", UMLAUT.encode("utf-16")),
        ("; charset=utf-16BE", UMLAUT.encode("utf-16-be")),
        ("; charset=unicode", UMLAUT.encode("utf-16-le")),
        ("; charset=utf-8", UMLAUT.encode("utf-16-le")),
        ("; charset=ISO-8859-1", UMLAUT.encode("latin-1")),
        ("; charset=iso-8859-1", BOM + UMLAUT.encode()),
        ('; charset="Windows-1252"', UMLAUT.encode("cp1252")),
        ("; charset=punycode", UMLAUT.encode()),
        ("; charset=nobody-knows", UMLAUT.encode()),
        ("; charset=", UMLAUT.encode()),
    ],
)
def test_charset(charset: str, data: bytes) -> None:
    assert parse_url_document(data, f"application/json{charset}") == "http://example.com/Bär.png"


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"null",
        b'"https://example.com"',
        b"[]",
        b"{}",
        b'{"url":""}',
        b'{"url":" \\n"}',
        b'{"url":null}',
        b'{"url":null,"Url":"https://example.com"}',
        b'{"url":7}',
        b'{"url":["https://example.com"]}',
        b'{"uri":"https://example.com"}',
        b'{"url":"https://example.com"',
        b'{"url":"https://example.com"}}',
        b"{'url':''}",
        b"{'url':'a'b'}",
        b"{'url':'a\\'}",
        b"{'url':\"https://example.com\"}",
        b"{'uri':'https://example.com'}",
        b"{'url':'one','url':'two'}",
        b'{"url":"\xff"}',
        b'\xff\xfe{"url"',
        b"[" * 60_000,
        b'{"url":' * 9_000,
        b"1" * 5_000,
        b'{"url":"' + b"a" * MAX_DOCUMENT_BYTES + b'"}',
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
def test_badly_formatted(data: bytes) -> None:
    with pytest.raises(ImageUrlBadlyFormatted):
        parse_url_document(data, "application/json")
