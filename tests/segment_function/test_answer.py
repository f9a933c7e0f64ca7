import asyncio
import logging

import pytest
from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.answer import answer, answer_page
from segment_function.responses import Exchange, LingeringResponse, content_response
from shared_code.errors import InternalError, ModeInvalid
from tests.segment_function.asgi import Script, chunks, request, send


async def page(exchange: Exchange) -> Response:
    return content_response(b"page", "text/plain", exchange)


async def bad_mode(_exchange: Exchange) -> Response:
    raise ModeInvalid


async def bad_mode_after_reading(exchange: Exchange) -> Response:
    await exchange.body.image()
    raise ModeInvalid


async def crash(_exchange: Exchange) -> Response:
    raise RuntimeError("secret of the implementation")


def post(**parts: str) -> Request:
    return request(Script(chunks(b"body")), **parts)  # type: ignore[arg-type]  # no headers here


def test_answer_of_the_work() -> None:
    response = asyncio.run(answer(Exchange(request(method="GET"), "region"), page))
    assert (response.status_code, response.body) == (200, b"page")
    assert response.headers["x-ms-region"] == "region"


def test_documented_error() -> None:
    response = asyncio.run(answer(Exchange(post()), bad_mode))
    assert (response.status_code, response.body) == (400, ModeInvalid().body())


def test_unforeseen_error_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        response = asyncio.run(answer(Exchange(post()), crash))
    sent = asyncio.run(send(response))
    assert (sent.status, sent.body) == (500, InternalError().body())
    assert "secret" not in str(sent.headers)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info
    assert isinstance(record.exc_info[1], RuntimeError)
    assert response.headers["request-id"] in record.getMessage()


def test_a_caller_that_leaves_is_no_error() -> None:
    async def scene() -> None:
        async def wait(exchange: Exchange) -> Response:
            await asyncio.get_running_loop().create_future()
            return await page(exchange)

        task = asyncio.create_task(answer(Exchange(post()), wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_lingers_only_over_an_unread_body() -> None:
    cases = [(post(), bad_mode, True), (post(), bad_mode_after_reading, False)]
    cases += [(request(method="GET"), bad_mode, False)]
    for call, work, lingers in cases:
        response = asyncio.run(answer(Exchange(call), work))
        assert isinstance(response, LingeringResponse) is lingers


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/computervision/imageanalysis:segment", "'/computervision/imageanalysis:segment'"),
        ("/a\r\nb", r"'/a\r\nb'"),
        ("/" + "a" * 200, "'/" + "a" * 99 + "'"),
        ("//[", "'//['"),
    ],
)
def test_one_line_of_log(path: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        response = asyncio.run(
            answer_page(request(method="GET", path=path, query="key=secret&x=\xff"), "", page)
        )
    (line,) = [record.getMessage() for record in caplog.records if record.name == "segment_function.answer"]
    assert line.startswith(f"GET {shown} 200 in ")
    assert line.endswith(f" ms, id {response.headers['request-id']}")
    assert "secret" not in line
