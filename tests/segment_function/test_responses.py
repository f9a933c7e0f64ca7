import asyncio
import re
from collections.abc import Iterator

import pytest
from starlette.types import Message

from segment_function import responses
from segment_function.responses import (
    Exchange,
    LingeringResponse,
    content_response,
    error_response,
)
from shared_code.errors import (
    AccessDenied,
    ImageFormatInvalid,
    ModeInvalid,
    ResourceNotFound,
    SegmentError,
    ServiceUnavailable,
    TooManyRequests,
)
from tests.segment_function.asgi import DISCONNECT, Script, Sent, chunks, request, send

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ALWAYS = {
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
}
JSON = "application/json; charset=utf-8"


def exchange(region: str = "", **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(request(headers=named), region)


def test_every_answer_has_an_id_and_a_time() -> None:
    one, other = exchange(), exchange()
    headers = {name.lower(): value for name, value in one.headers().items()}
    assert GUID.fullmatch(one.id)
    assert one.id != other.id
    assert headers.pop("apim-request-id") == headers.pop("request-id") == one.id
    assert headers.pop("x-envoy-upstream-service-time").isdecimal()
    assert headers == ALWAYS


def test_region() -> None:
    assert exchange("westeurope").headers()["x-ms-region"] == "westeurope"


@pytest.mark.parametrize("client_id", ["a", "7f3c-x", "with space", "x" * 128])
def test_client_id_is_echoed(client_id: str) -> None:
    assert exchange(x_ms_client_request_id=client_id).headers()["x-ms-client-request-id"] == client_id


@pytest.mark.parametrize("client_id", ["", "x" * 129, "a\r\nSet-Cookie: b", "a\tb", "\x7f", "ä"])
def test_client_id_that_is_not(client_id: str) -> None:
    assert "x-ms-client-request-id" not in exchange(x_ms_client_request_id=client_id).headers()


@pytest.mark.parametrize("body_unread", [False, True])
@pytest.mark.parametrize(
    ("error", "own"),
    [
        (ModeInvalid(), {"content-type": JSON, "x-ms-error-code": "InvalidRequest"}),
        (ImageFormatInvalid(), {"content-type": JSON, "x-ms-error-code": "InvalidRequest"}),
        (AccessDenied(), {"content-type": "application/json", "x-ms-error-code": "401"}),
        (ResourceNotFound(), {"content-type": "application/json", "x-ms-error-code": "404"}),
        (
            TooManyRequests(),
            {"content-type": "application/json", "x-ms-error-code": "429", "retry-after": "2"},
        ),
        (
            ServiceUnavailable(),
            {"content-type": JSON, "x-ms-error-code": "ServiceUnavailable", "retry-after": "5"},
        ),
    ],
    ids=lambda value: getattr(value, "id", ""),
)
def test_error(error: SegmentError, own: dict[str, str], body_unread: bool) -> None:
    response = error_response(error, exchange(), body_unread=body_unread)
    assert isinstance(response, LingeringResponse) is body_unread
    sent = asyncio.run(send(response))
    assert (sent.status, sent.body, sent.ended) == (error.status, error.body(), True)
    headers = sent.headers
    for name in ("apim-request-id", "request-id", "x-envoy-upstream-service-time"):
        del headers[name]
    assert headers == ALWAYS | own | {"content-length": str(len(error.body()))}


def test_content() -> None:
    sent = asyncio.run(send(content_response(b"page", "text/html", exchange(), 503)))
    assert (sent.status, sent.body, sent.headers["content-type"]) == (503, b"page", "text/html")
    assert sent.headers.items() >= ALWAYS.items()


class TestLingering:
    def test_the_answer_comes_before_the_body_is_read(self) -> None:
        async def scene() -> None:
            gate = asyncio.Event()
            script = Script(chunks(b"late", b""))

            async def receive() -> Message:
                await gate.wait()
                return await script()

            sent = Sent()
            running = asyncio.create_task(LingeringResponse(b"answer")({"type": "http"}, receive, sent))
            for _ in range(5):
                await asyncio.sleep(0)
            assert (sent.body, sent.ended) == (b"answer", False)
            gate.set()
            await running
            assert sent.ended
            assert script.received == 2

        asyncio.run(scene())

    @pytest.mark.parametrize(
        "messages",
        [[DISCONNECT], [*chunks(b"a", b"b")[:1], DISCONNECT], chunks(b"")],
        ids=["gone", "leaves", "nothing to read"],
    )
    def test_ends_with_the_request(self, messages: list[Message]) -> None:
        sent = asyncio.run(send(LingeringResponse(b"answer"), Script(messages)))
        assert (sent.body, sent.ended) == (b"answer", True)

    def test_reads_so_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(responses, "_LINGER_BYTES", 1000)

        def endless() -> Iterator[Message]:
            while True:
                yield {"type": "http.request", "body": bytes(100), "more_body": True}

        script = Script(endless())
        assert asyncio.run(send(LingeringResponse(b"answer"), script)).ended
        assert script.received == 10

    def test_waits_so_long(self) -> None:
        assert asyncio.run(send(LingeringResponse(b"answer", linger_s=0.01), Script())).ended
