"""The functions under the worker library that Azure runs, at the version that is pinned."""

import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from segment_function import ALIAS, ROUTE
from shared_code import errors
from tests.conformance.client import Reply, exchange
from tests.conformance.requests import MATTE_QUERY, PATH, QUERY, Request
from tests.support.hosts import KEYS, PROJECT, Host, WorkerHost, worker_host
from tests.support.photos import encoded

SETTINGS = {"SEGMENT_API_KEYS": ",".join(KEYS)}
STORAGE = {"CUTOUT_STORAGE": "UseDevelopmentStorage=true"}
MAX_INIT_S = 30
"""The platform's limit, https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan."""
PATIENCE_S = 20

ALL_METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]
HTTP_FUNCTIONS = {
    "segment": (ROUTE, ["POST"]),
    "segment_alias": (ALIAS, ["POST"]),
    "status": ("status", ["GET"]),
    "ready": ("ready", ["GET"]),
    "openapi": ("openapi.json", ["GET"]),
    "swagger": ("swagger", ["GET"]),
    "swagger_file": ("swagger/{file}", ["GET"]),
    "static_file": ("static/{file}", ["GET"]),
    "unknown_path": ("{*path}", ALL_METHODS),
}
HTTP_BINDINGS = {
    name: [
        {
            "direction": "IN",
            "type": "httpTrigger",
            "name": "req",
            "methods": methods,
            "authLevel": "ANONYMOUS",
            "route": route,
        },
        {"direction": "OUT", "type": "http", "name": "$return"},
    ]
    for name, (route, methods) in HTTP_FUNCTIONS.items()
}
QUEUE_BINDINGS = {
    "cutout": [
        {
            "direction": "IN",
            "type": "queueTrigger",
            "name": "message",
            "queueName": "cutout-events",
            "connection": "CUTOUT_STORAGE",
        }
    ]
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerHost]:
    with worker_host(tmp_path_factory.mktemp("worker") / "log.txt", SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def specialised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerHost]:
    """A worker that was started before the app was known; the app has a storage account too."""
    log = tmp_path_factory.mktemp("specialised") / "log.txt"
    with worker_host(log, SETTINGS | STORAGE, placeholder=True) as running:
        yield running


@pytest.fixture(params=["worker", "specialised"])
def started(request: pytest.FixtureRequest) -> WorkerHost:
    running: WorkerHost = request.getfixturevalue(request.param)
    return running


def report(host: WorkerHost) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(host.report.read_text())
    return document


def ask(host: Host, request: Request) -> Reply:
    return exchange(host.port, request.method, request.parts())


def get(host: Host, path: str) -> Reply:
    return ask(host, Request(path=path, query="", method="GET", body=b""))


def test_worker_is_the_pinned_library_outside_the_app(worker: WorkerHost) -> None:
    told = report(worker)
    pin = f"azure-functions-runtime=={version('azure-functions-runtime')}"
    assert pin in (PROJECT / "requirements.in").read_text().split()
    assert Path(told["library"]).is_relative_to(sys.prefix)
    assert not Path(told["folder"]).is_relative_to(PROJECT)


@pytest.mark.parametrize(
    ("name", "expected"), [("worker", HTTP_BINDINGS), ("specialised", HTTP_BINDINGS | QUEUE_BINDINGS)]
)
def test_indexed_functions(name: str, expected: object, request: pytest.FixtureRequest) -> None:
    told = report(request.getfixturevalue(name))
    assert {function["name"]: function["bindings"] for function in told["functions"]} == expected
    assert len(told["functions"]) == len(set(told["loaded"]))


def test_every_function_loads(started: WorkerHost) -> None:
    told = report(started)
    assert told["loaded"] == [function["id"] for function in told["functions"]]


def test_initialisation_is_within_the_platforms_limit(started: WorkerHost) -> None:
    assert report(started)["init_s"] < MAX_INIT_S


@pytest.mark.parametrize("query", [QUERY, MATTE_QUERY])
def test_same_bytes_as_the_embedded_host(started: WorkerHost, host: Host, query: str) -> None:
    request = Request(query=query, body=encoded("JPEG", 700, 500))
    reply = ask(started, request)
    assert reply.status == 200
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == ask(host, request).body


@pytest.mark.parametrize(
    "path",
    ["/", "/status", "/ready", "/openapi.json", "/swagger", "/static/none", "/docs", "/redoc", "/no%0Ahow"],
)
def test_same_page_as_the_embedded_host(worker: WorkerHost, host: Host, path: str) -> None:
    """Also where the worker's web framework has pages of its own, which would leave the invocation open."""
    mine, other = get(worker, path), get(host, path)
    assert (mine.status, mine.body) == (other.status, other.body)
    assert mine.headers.keys() == other.headers.keys()
    wait_for_the_end_of_all_invocations(worker)


def wait_for_the_end_of_all_invocations(host: Host) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        log = host.log.read_text()
        if log.count(" begins\n") == log.count(" succeeded\n"):
            return
        assert time.monotonic() < end, "an invocation stays open"
        time.sleep(0.05)


def test_status_answers_while_a_picture_is_worked_on(worker: WorkerHost) -> None:
    """Each of many answers comes before the first byte of the picture that was sent whole before."""
    with sent(worker, Request(body=encoded("JPEG", 4000, 3000))) as connection:
        for _ in range(5):
            assert get(worker, "/status").status == 200
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1, socket.MSG_PEEK)
        connection.settimeout(PATIENCE_S)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def sent(host: Host, request: Request) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", host.port), PATIENCE_S)
    connection.sendall(b"".join(request.parts()))
    return connection


def test_concurrent_callers_get_their_own_answers(worker: WorkerHost, host: Host) -> None:
    photos = ["astronaut.png", "coffee.png", "chelsea.png"]
    requests = [
        Request(
            body=encoded("JPEG", 100 + 10 * number, 120, photos[number % 3]),
            headers={"x-ms-client-request-id": f"caller-{number}"},
        )
        for number in range(5)
    ]
    with ThreadPoolExecutor(len(requests)) as callers:
        replies = list(callers.map(lambda request: ask(worker, request), requests))
    for number, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        assert reply.headers["x-ms-client-request-id"] == f"caller-{number}"
        assert reply.body == ask(host, request).body
    assert len({reply.headers["request-id"] for reply in replies}) == len(requests)


def test_client_that_leaves_while_it_is_answered(worker: WorkerHost) -> None:
    with sent(worker, Request(body=encoded("JPEG", 3000, 3000))) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        reset(connection)
    assert_healthy(worker)


def test_client_that_leaves_while_it_sends(worker: WorkerHost) -> None:
    for _ in range(10):
        with sent(worker, Request(announced=1 << 20)) as connection:
            reset(connection)
    assert_healthy(worker)


def reset(connection: socket.socket) -> None:
    """Leave without a farewell: close sends RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def assert_healthy(host: Host) -> None:
    wait_for_the_end_of_all_invocations(host)
    assert ask(host, Request()).status == 200
    assert "Traceback" not in host.log.read_text()


def test_answer_that_comes_before_the_body_is_sent(worker: WorkerHost) -> None:
    """The refusal arrives while the client still has all but the first byte to send."""
    head, body = Request(headers={"Ocp-Apim-Subscription-Key": None}, announced=1 << 24).parts()
    with socket.create_connection(("127.0.0.1", worker.port), PATIENCE_S) as connection:
        connection.sendall(head + body[:1])
        assert connection.recv(12) == b"HTTP/1.1 401"


def test_settings_arrive_with_the_environment(specialised: WorkerHost) -> None:
    assert ask(specialised, Request()).status == 200
    refused = ask(specialised, Request(headers={"Ocp-Apim-Subscription-Key": "not-a-key"}))
    assert (refused.status, refused.body) == (401, errors.AccessDenied().body())


def test_every_route_reaches_its_function(worker: WorkerHost) -> None:
    """The host tries functions by name: the one for all other paths has to come last."""
    for path, method, name in [
        (PATH, "POST", "segment"),
        ("/" + ALIAS, "POST", "segment_alias"),
        ("/status", "GET", "status"),
        ("/ready", "GET", "ready"),
        ("/openapi.json", "GET", "openapi"),
        ("/swagger", "GET", "swagger"),
        ("/swagger/some.js", "GET", "swagger_file"),
        ("/static/some.js", "GET", "static_file"),
        ("/", "GET", "unknown_path"),
        (PATH, "GET", "unknown_path"),
    ]:
        before = worker.log.read_text().count(f" of {name} begins\n")
        ask(worker, Request(path=path, method=method))
        assert worker.log.read_text().count(f" of {name} begins\n") == before + 1, path
