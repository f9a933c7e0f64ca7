import asyncio
import json
from collections.abc import Iterator

import pytest
from starlette.types import Message

from segment_function.body import Body
from shared_code.errors import ImageFormatInvalid, ImageSizeNotAllowed, ImageUrlBadlyFormatted, SegmentError
from shared_code.limits import MAX_IMAGE_BYTES
from tests.segment_function.asgi import DISCONNECT, Script, chunks, request


def body_of(script: Script, **headers: str) -> Body:
    return Body(request(script, headers={name.replace("_", "-"): value for name, value in headers.items()}))


class TestImage:
    @pytest.mark.parametrize(
        "parts",
        [
            [b"x"],
            [b"one", b"two", b""],
            [b"", b"", b"late"],
            [bytes(MAX_IMAGE_BYTES)],
            [bytes(1 << 20)] * 20,
        ],
        ids=["byte", "empty at the end", "empty before", "the most", "the most in parts"],
    )
    def test_is_the_whole_body(self, parts: list[bytes]) -> None:
        body = body_of(Script(chunks(*parts)))
        assert body.unread
        assert asyncio.run(body.image()) == b"".join(parts)
        assert not body.unread

    @pytest.mark.parametrize("announced", ["0", "", "abc", "-1", "20971520", "1e9"])
    def test_content_length_is_only_an_announcement(self, announced: str) -> None:
        body = body_of(Script(chunks(b"data")), content_length=announced)
        assert asyncio.run(body.image()) == b"data"

    def test_empty(self) -> None:
        body = body_of(Script(chunks(b"", b"")))
        with pytest.raises(ImageSizeNotAllowed):
            asyncio.run(body.image())
        assert not body.unread

    def test_too_much_is_refused_before_it_is_read(self) -> None:
        script = Script(chunks(b"data"))
        body = body_of(script, content_length=str(MAX_IMAGE_BYTES + 1))
        with pytest.raises(ImageSizeNotAllowed):
            asyncio.run(body.image())
        assert script.received == 0
        assert body.unread

    def test_too_much_is_refused_while_it_is_read(self) -> None:
        def endless() -> Iterator[Message]:
            while True:
                yield {"type": "http.request", "body": bytes(1 << 20), "more_body": True}

        script = Script(endless())
        body = body_of(script)
        with pytest.raises(ImageSizeNotAllowed):
            asyncio.run(body.image())
        assert script.received == 21
        assert body.unread

    def test_one_byte_too_many(self) -> None:
        with pytest.raises(ImageSizeNotAllowed):
            asyncio.run(body_of(Script(chunks(bytes(MAX_IMAGE_BYTES), b"x"))).image())

    def test_client_leaves(self) -> None:
        body = body_of(Script([*chunks(b"half", b"")[:1], DISCONNECT]))
        with pytest.raises(ImageFormatInvalid):
            asyncio.run(body.image())

    def test_client_stalls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("segment_function.body._IDLE_S", 0.02)
        body = body_of(Script(chunks(b"half", b"")[:1]))
        with pytest.raises(ImageFormatInvalid):
            asyncio.run(body.image())
        assert body.unread

    def test_slow_client_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit is on silence, not on the whole: forty pauses take longer than one limit."""
        monkeypatch.setattr("segment_function.body._IDLE_S", 0.2)
        body = body_of(Script(chunks(*[b"x"] * 40), pause_s=0.01))
        assert asyncio.run(body.image()) == b"x" * 40


URL = "https://example.com/a.png?b=c&d"


@pytest.mark.parametrize(
    ("data", "url"),
    [
        (json.dumps({"url": URL}).encode(), URL),
        (json.dumps({"url": URL}, indent=4).encode(), URL),
        (json.dumps({"URL": "other", "url": URL, "x": [1, None]}).encode(), URL),
        (b'{"url":"first","url":"last"}', "last"),
        (b'{"url":"https:\\/\\/example.com\\/\\u00e4"}', "https://example.com/ä"),
        (json.dumps({"url": URL}).encode("utf-16"), URL),
        (b"\xef\xbb\xbf" + json.dumps({"url": URL}).encode(), URL),
        (b"{'url':'https://example.com/a.png'}", "https://example.com/a.png"),
        (b"  { 'url' : 'https://example.com/a b' , }\r\n", "https://example.com/a b"),
        ("{'url':'https://example.com/ä'}".encode(), "https://example.com/ä"),
        (b'{"url":" "}', " "),
    ],
)
def test_image_url(data: bytes, url: str) -> None:
    assert asyncio.run(body_of(Script(chunks(data))).image_url()) == url


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"null",
        b'"https://example.com"',
        b"[]",
        b"{}",
        b'{"url":""}',
        b'{"url":null}',
        b'{"url":7}',
        b'{"url":["https://example.com"]}',
        b'{"URL":"https://example.com"}',
        b'{"url":"https://example.com"',
        b'{"url":"https://example.com"}}',
        b"{'url':''}",
        b"{'url':'a'b'}",
        b"{'url':'a\\'}",
        b"{'url':\"https://example.com\"}",
        b"{'uri':'https://example.com'}",
        b"{'url':'one','url':'two'}",
        b'{"url":"\xff"}',
        b"[" * 60_000,
        b'{"url":' * 9_000,
        b"1" * 5_000,
        b'{"url":"' + b"a" * 70_000 + b'"}',
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
def test_image_url_badly_formatted(data: bytes) -> None:
    with pytest.raises(ImageUrlBadlyFormatted):
        asyncio.run(body_of(Script(chunks(data))).image_url())


def test_image_url_of_no_body() -> None:
    with pytest.raises(ImageSizeNotAllowed):
        asyncio.run(body_of(Script(chunks(b""))).image_url())


FORM = "multipart/form-data; boundary=XX"
IMAGE = b"\x89PNG\r\n--X\r\n--XY\n\0"


def part(
    content: bytes, disposition: str = 'form-data; name="a"; filename="b"', content_type: str = ""
) -> bytes:
    headers = f"Content-Disposition: {disposition}\r\n" if disposition else ""
    headers += f"Content-Type: {content_type}\r\n" if content_type else ""
    return b"--XX\r\n" + headers.encode() + b"\r\n" + content + b"\r\n"


END = b"--XX--\r\n"
FIELD = part(b"value", 'form-data; name="a"')


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(part(IMAGE) + END, id="file"),
        pytest.param(part(IMAGE, content_type="image/png") + END, id="file and type"),
        pytest.param(part(IMAGE, 'form-data; name="a"; filename=""') + END, id="empty file name"),
        pytest.param(part(IMAGE, 'form-data; name="a"', "image/png") + END, id="type only"),
        pytest.param(part(IMAGE, "", "application/octet-stream") + END, id="type and no disposition"),
        pytest.param(part(IMAGE, "form-data; filename=b; filename*=UTF-8''b") + END, id="file name twice"),
        pytest.param(part(IMAGE, 'FORM-DATA; NAME="a"; FILENAME="b"') + END, id="capitals"),
        pytest.param(
            part(IMAGE, 'form-data; filename="a;b=c.png"', "Text/Plain") + END, id="text that is a file"
        ),
        pytest.param(
            FIELD + part(b"text", 'form-data; name="c"', "Text/Plain") + part(IMAGE) + END, id="behind fields"
        ),
        pytest.param(part(IMAGE) + part(b"second") + END, id="first of two"),
        pytest.param(b"\r\n" + part(IMAGE) + END + b"epilogue", id="empty line before, epilogue behind"),
        pytest.param(part(IMAGE) + b"--XX\r\nbroken header", id="fault behind the file"),
        pytest.param(part(IMAGE) + b"--XX--", id="no line at the end"),
    ],
)
def test_form_image(data: bytes) -> None:
    for size in (1, 7, len(data)):
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        body = body_of(Script(chunks(*parts)))
        assert asyncio.run(body.form_image(FORM)) == IMAGE
        assert not body.unread


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="XX"',
        "Multipart/Form-Data; charset=utf-8; Boundary=XX",
        "multipart/form-data;boundary=XX",
    ],
)
def test_form_boundary(content_type: str) -> None:
    assert asyncio.run(body_of(Script(chunks(part(IMAGE) + END))).form_image(content_type)) == IMAGE


@pytest.mark.parametrize(
    ("data", "content_type", "error"),
    [
        pytest.param(b"", FORM, ImageSizeNotAllowed, id="empty"),
        pytest.param(END, FORM, ImageSizeNotAllowed, id="no part"),
        pytest.param(FIELD + END, FORM, ImageSizeNotAllowed, id="no file"),
        pytest.param(part(b"") + END, FORM, ImageSizeNotAllowed, id="empty file"),
        pytest.param(part(b"") + part(IMAGE) + END, FORM, ImageSizeNotAllowed, id="first file empty"),
        pytest.param(part(IMAGE) + END, "multipart/form-data", ImageSizeNotAllowed, id="no boundary"),
        pytest.param(
            part(IMAGE) + END, "multipart/form-data; boundary=", ImageSizeNotAllowed, id="empty boundary"
        ),
        pytest.param(
            part(IMAGE) + END,
            "multipart/form-data; boundary=" + "X" * 300,
            ImageSizeNotAllowed,
            id="endless boundary",
        ),
        pytest.param(
            part(IMAGE) + END, "multipart/form-data; boundary=YY", ImageSizeNotAllowed, id="other boundary"
        ),
        pytest.param(b"not a form", FORM, ImageSizeNotAllowed, id="not a form"),
        pytest.param(
            b"--XX\r\n" + b"A: b\r\n" * 1000 + b"\r\n", FORM, ImageSizeNotAllowed, id="endless headers"
        ),
        pytest.param(part(bytes(MAX_IMAGE_BYTES + 1)) + END, FORM, ImageSizeNotAllowed, id="a byte too many"),
        pytest.param(
            part(bytes(MAX_IMAGE_BYTES)) + bytes(1 << 20) + END,
            FORM,
            ImageSizeNotAllowed,
            id="form too large",
        ),
        pytest.param(part(IMAGE), FORM, ImageFormatInvalid, id="breaks off at the boundary"),
        pytest.param(part(IMAGE)[:-9], FORM, ImageFormatInvalid, id="breaks off in the file"),
    ],
)
def test_form_without_an_image(data: bytes, content_type: str, error: type[SegmentError]) -> None:
    with pytest.raises(error):
        asyncio.run(body_of(Script(chunks(data))).form_image(content_type))


def test_form_with_the_largest_image() -> None:
    image = bytes(MAX_IMAGE_BYTES)
    assert asyncio.run(body_of(Script(chunks(part(image) + END))).form_image(FORM)) == image
