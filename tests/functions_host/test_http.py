"""HTTP through the Functions host: routes, pages, streams, callers side by side, recorded requests."""

import csv
import http.client
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segment_function.api import ALIAS
from shared_code.errors import all_errors
from tests.conformance.requests import MATTE_QUERY, PATH, QUERY, Request
from tests.functions_host import Instance
from tests.functions_host.calls import ask, begun, get, sent, still_open, wait_for_the_end_of_all_calls
from tests.support.hosts import KEYS, Host
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.photos import encoded

ERRORS = {error.id: error for error in all_errors()}
ROUTES = [
    (PATH, "POST", "segment"),
    (PATH.upper(), "POST", "segment"),
    (PATH + "/", "POST", "segment"),
    (PATH.replace(":", "%3A"), "POST", "segment"),
    ("/" + ALIAS, "POST", "segment_alias"),
    ("/status", "GET", "status"),
    ("/ready", "GET", "ready"),
    ("/openapi.json", "GET", "openapi"),
    ("/swagger", "GET", "swagger"),
    ("/swagger/some.js", "GET", "swagger_file"),
    ("/static/some.js", "GET", "static_file"),
    ("/", "GET", "unknown_path"),
    ("/no%0Ahow", "GET", "unknown_path"),
    ("/files//a.js", "GET", "unknown_path"),
    (PATH, "GET", "unknown_path"),
    (PATH + "/more", "POST", "unknown_path"),
    ("/computervision//imageanalysis", "PATCH", "unknown_path"),
]


@pytest.mark.parametrize(("path", "method", "name"), ROUTES)
def test_route_reaches_its_function(instance: Instance, path: str, method: str, name: str) -> None:
    """The host tries functions by name: the one for all other paths has to come last."""
    before = len(begun(instance))
    assert ask(instance, Request(path=path, method=method)).headers["apim-request-id"]
    wait_for(lambda: len(begun(instance)) > before)
    assert [function for function, _ in begun(instance)[before:]] == [name]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "//", 404),
        ("POST", "/" + PATH, 404),
        ("TRACE", "/status", 404),
        ("PROPFIND", "/status", 404),
        ("GET", "/%00", 400),
        ("GET", "/" + "a" * 9000, 414),
        ("GET", "/admin/host/status", 401),
        ("GET", "/runtime/webhooks/blobs", 401),
    ],
)
def test_host_answers_by_itself(instance: Instance, method: str, path: str, status: int) -> None:
    before = len(begun(instance))
    reply = ask(instance, Request(path=path, query="", method=method, body=b""))
    assert (reply.status, reply.body) == (status, b"")
    assert len(begun(instance)) == before


@pytest.mark.parametrize(
    "path",
    ["/", "/status", "/ready", "/openapi.json", "/swagger", "/static/none", "/docs", "/redoc", "/no%0Ahow"],
)
def test_same_page_as_the_embedded_host(instance: Instance, host: Host, path: str) -> None:
    """Also where the worker's web framework has pages of its own, which would leave the call open."""
    mine, other = get(instance, path), get(host, path)
    assert (mine.status, mine.body) == (other.status, other.body)
    assert mine.headers.keys() - {"connection"} == other.headers.keys() - {"connection"}


def test_files_of_the_pages_are_the_embedded_hosts(instance: Instance, host: Host) -> None:
    files = {
        file
        for page in ("/", "/swagger")
        for file in re.findall(
            r'(?:src|href)="/?([\w./-]+\.(?:js|css|png|svg|ico))"', get(host, page).body.decode()
        )
    }
    assert files
    for file in sorted(files):
        mine, other = get(instance, "/" + file), get(host, "/" + file)
        assert (mine.status, mine.headers["content-type"]) == (200, other.headers["content-type"]), file
        assert mine.body == other.body


@pytest.mark.parametrize("query", [QUERY, MATTE_QUERY])
def test_same_bytes_as_the_embedded_host(instance: Instance, host: Host, query: str) -> None:
    request = Request(query=query, body=encoded("JPEG", 700, 500))
    reply = ask(instance, request)
    assert reply.status == 200
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == ask(host, request).body


def test_picture_begins_to_arrive_before_its_call_has_ended(instance: Instance) -> None:
    wait_for_the_end_of_all_calls(instance)
    with sent(instance, Request(body=encoded("JPEG", 4000, 4000))) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert still_open(instance)


def test_status_answers_while_a_picture_is_worked_on(instance: Instance) -> None:
    """Each of many answers comes before the first byte of the picture that was sent whole before."""
    with sent(instance, Request(body=encoded("JPEG", 4000, 4000))) as connection:
        for _ in range(5):
            assert get(instance, "/status").status == 200
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1, socket.MSG_PEEK)
        connection.settimeout(PATIENCE_S)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_concurrent_callers_get_their_own_answers(instance: Instance, host: Host) -> None:
    photos = ["astronaut.png", "coffee.png", "chelsea.png"]
    requests = [
        Request(
            body=encoded("JPEG", 100 + 10 * number, 120, photos[number % 3]),
            headers={"x-ms-client-request-id": f"caller-{number}"},
        )
        for number in range(5)
    ]
    with ThreadPoolExecutor(len(requests)) as callers:
        replies = list(callers.map(lambda request: ask(instance, request), requests))
    for number, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        assert reply.headers["x-ms-client-request-id"] == f"caller-{number}"
        assert reply.body == ask(host, request).body
    assert len({reply.headers["request-id"] for reply in replies}) == len(requests)


def test_callers_own_invocation_id_does_no_harm(instance: Instance) -> None:
    request = Request(headers={"x-ms-invocation-id": "00000000-0000-0000-0000-000000000000"})
    assert ask(instance, request).status == 200


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.campaign, id="all"), pytest.param(8, id="some")]
)
def test_recorded_requests_are_answered_right_and_as_on_the_embedded_host(
    step: int, instance: Instance, host: Host, shared_data: Path
) -> None:
    """Those with an image URL, which no test may follow, are only compared."""
    folder = shared_data / "requests"
    with (folder / "expected.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert rows
    wrong = []
    for row in rows[::step]:
        raw = (folder / f"{row['request']}.http").read_bytes()
        raw = re.sub(rb"(?im)^(ocp-apim-subscription-key: *)[^\r]*", rb"\g<1>" + KEYS[0].encode(), raw)
        for coding in ("utf-8", "utf-16-le"):  # no test may leave the machine
            raw = raw.replace("http://example.com".encode(coding), "http://127.0.0.1/a".encode(coding))
        mine, other = replayed(instance, raw), replayed(host, raw)
        if mine != other or not is_right(mine, row["right answer"]):
            wrong.append((row["request"], mine[0], mine[1][:200], other[0], other[1][:200]))
    assert wrong == []


def is_right(answer: tuple[int, bytes], expected: str) -> bool:
    status, content = answer
    if expected == "URL":
        return True
    if expected == "PNG":
        return status == 200 and content.startswith(b"\x89PNG")
    error = ERRORS[expected]
    told = json.loads(content)["error"]["message"]
    return status == error.status and told.split()[:5] == error.message.split()[:5]


def replayed(host: Host, raw: bytes) -> tuple[int, bytes]:
    """Status and content of the answer to a request as it was recorded."""
    head, _, body = raw.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", host.port), PATIENCE_S) as connection:
        connection.sendall(head + b"\r\n\r\n")
        if b"100-continue" in head.lower():
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()
