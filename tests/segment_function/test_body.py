import asyncio
from collections.abc import Iterator

import pytest
from starlette.types import Message

from segment_function.body import Body
from shared_code.errors import ImageFormatInvalid, ImageSizeNotAllowed
from shared_code.limits import MAX_IMAGE_BYTES
from tests.segment_function.asgi import DISCONNECT, Script, chunks, request
from tests.support import own_time


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
        """It came with the end: whoever waited for more would keep the connection from its next request."""
        body = body_of(Script(chunks(bytes(MAX_IMAGE_BYTES), b"x")))
        with pytest.raises(ImageSizeNotAllowed):
            asyncio.run(body.image())
        assert not body.unread

    def test_client_leaves(self) -> None:
        body = body_of(Script([*chunks(b"half", b"")[:1], DISCONNECT]))
        with pytest.raises(ImageFormatInvalid):
            asyncio.run(body.image())

    @pytest.mark.parametrize("sent", [[b"half"], [bytes(1 << 20), b"half"]], ids=["at once", "later"])
    def test_client_stalls(self, sent: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("segment_function.body._PATIENCE_S", 0.02)
        body = body_of(Script(chunks(*sent, b"")[:-1]))
        with pytest.raises(ImageFormatInvalid):
            asyncio.run(body.image())
        assert body.unread

    def test_client_drips(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Never silent for long, and yet not waited for."""
        monkeypatch.setattr("segment_function.body._PATIENCE_S", 0.3)
        script = Script(chunks(*[b"x"] * 10_000), pause_s=0.001)
        body = body_of(script)
        with pytest.raises(ImageFormatInvalid):
            own_time.run(body.image())
        assert 1 <= script.received < 10_000

    def test_slow_client_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit is on the rate, not on the whole: forty pauses take longer than one limit."""
        monkeypatch.setattr("segment_function.body._PATIENCE_S", 0.2)
        monkeypatch.setattr("segment_function.body._LEAST_BYTES", 2)
        body = body_of(Script(chunks(*[b"xx"] * 40), pause_s=0.01))
        assert own_time.run(body.image()) == b"xx" * 40


def test_image_url() -> None:
    body = body_of(Script(chunks(b'{"url":', b' "https://example.com/a.png"}')))
    assert asyncio.run(body.image_url("application/json")) == "https://example.com/a.png"


def test_image_url_of_no_body() -> None:
    with pytest.raises(ImageSizeNotAllowed):
        asyncio.run(body_of(Script(chunks(b""))).image_url(""))


FORM = "multipart/form-data; boundary=XX"


def form(image: bytes, field: bytes = b"value") -> bytes:
    return (
        b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + field + b"\r\n"
        b'--XX\r\nContent-Disposition: form-data; name="b"; filename="c"\r\n\r\n' + image + b"\r\n--XX--\r\n"
    )


def test_form_image() -> None:
    data = form(b"image")
    body = body_of(Script(chunks(*(data[at : at + 7] for at in range(0, len(data), 7)))))
    assert asyncio.run(body.form_image(FORM)) == b"image"
    assert not body.unread


def test_form_with_the_largest_image() -> None:
    image = bytes(MAX_IMAGE_BYTES)
    assert asyncio.run(body_of(Script(chunks(form(image)))).form_image(FORM)) == image


@pytest.mark.parametrize("data", [b"", form(b"image", field=bytes(MAX_IMAGE_BYTES + (1 << 20)))])
def test_form_without_an_image(data: bytes) -> None:
    with pytest.raises(ImageSizeNotAllowed):
        asyncio.run(body_of(Script(chunks(data))).form_image(FORM))
