import asyncio

import azure.functions as func
import pytest
from azurefunctions.extensions.http.fastapi import Request, Response
from starlette.types import Scope

from local_host.app import asgi_app, http_functions
from tests.segment_function.asgi import Script, Sent, chunks, scope


async def any_path(req: Request) -> Response:
    return Response(f"any_path {req.path_params}")


async def a_colon(req: Request) -> Response:
    return Response(f"a_colon {len(await req.body())} bytes, {req.query_params.get('q')}")


async def a_file(req: Request) -> Response:
    return Response(f"a_file {req.path_params}", 201, {"x-own": "header"})


def a_queue(message: func.QueueMessage) -> None:
    """Not for HTTP."""


async def nothing(_req: Request) -> Response:
    return Response("nothing", 404)


def function_app() -> func.FunctionApp:
    """An app can be asked for its functions only once."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    app.route("{*path}", methods=["GET", "POST"])(any_path)
    app.route("vision/image:cut", methods=["POST"])(a_colon)
    app.route("files/{file}", methods=["GET"])(a_file)
    app.queue_trigger("message", "queue", "connection")(a_queue)
    return app


def call(method: str, path: str, query: str = "", data: bytes = b"") -> Sent:
    return asyncio.run(serve(scope(method, path, query), Script(chunks(data))))


async def serve(request: Scope, script: Script) -> Sent:
    sent = Sent()
    await asgi_app(function_app().get_functions(), nothing)(request, script, sent)
    return sent


def test_functions_are_found_by_their_metadata() -> None:
    functions = {http.name: http.methods for http in http_functions(function_app().get_functions())}
    assert functions == {
        "a_colon": {"POST"},
        "a_file": {"GET"},
        "any_path": {"GET", "POST"},
    }


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("POST", "/vision/image:cut", "a_colon 4 bytes, x"),
        ("POST", "/Vision/IMAGE:cut", "a_colon 4 bytes, x"),
        ("POST", "/vision/image:cut/", "a_colon 4 bytes, x"),
        ("GET", "/vision/image:cut", "any_path {'path': 'vision/image:cut'}"),
        ("POST", "//vision/image:cut", "any_path {'path': '/vision/image:cut'}"),
        ("POST", "/vision/imageXcut", "any_path {'path': 'vision/imageXcut'}"),
        ("POST", "/vision/image:cut\n", "any_path {'path': 'vision/image:cut\\n'}"),
        ("GET", "/files/A.css", "a_file {'file': 'A.css'}"),
        ("GET", "/files/a/b", "any_path {'path': 'files/a/b'}"),
        ("GET", "/files/", "any_path {'path': 'files'}"),
        ("GET", "/", "any_path {'path': ''}"),
        ("GET", "/a\nb", "any_path {'path': 'a\\nb'}"),
    ],
)
def test_routing(method: str, path: str, answer: str) -> None:
    sent = call(method, path, "q=x", b"body")
    assert sent.body.decode() == answer
    assert sent.ended


def test_status_and_headers_are_the_handlers() -> None:
    sent = call("GET", "/files/a")
    assert (sent.status, sent.headers["x-own"]) == (201, "header")


def test_a_method_of_no_function_is_not_found() -> None:
    sent = call("DELETE", "/vision/image:cut")
    assert (sent.status, sent.body) == (404, b"nothing")


def test_what_is_not_http_is_left_alone() -> None:
    assert asyncio.run(serve({"type": "lifespan"}, Script())).messages == []
