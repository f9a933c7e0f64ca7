"""Callers who send slowly, or much that is of no use: the others are served meanwhile."""

import socket
import threading
from contextlib import ExitStack

import pytest

from tests.conformance.client import exchange
from tests.conformance.requests import BOUNDARY, Request
from tests.support.hosts import Host
from tests.support.patience import PATIENCE_S

CALLERS = 60
"""More than find a place in the queue on any machine of up to six cores."""

FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
MUCH = 20 << 20


def begun(host: Host, request: Request) -> socket.socket:
    """A connection over which the head and half of the body are sent."""
    head, body = request.parts()
    connection = socket.create_connection(("127.0.0.1", host.port), timeout=PATIENCE_S)
    connection.sendall(head + body[: len(body) // 2])
    return connection


@pytest.mark.parametrize(
    "request_of_all",
    [
        Request(),
        Request(chunked=True),
        Request(headers={"Content-Type": "application/json"}, body=b'{"url":"http://example.com/"}'),
        Request(headers=FORM, body=b"--" + BOUNDARY.encode() + b"\r\n" * 100),
    ],
    ids=["image", "chunked image", "url", "form"],
)
def test_uploads_that_stand_still_take_no_place(host: Host, request_of_all: Request) -> None:
    with ExitStack() as connections:
        for _ in range(CALLERS):
            connections.enter_context(begun(host, request_of_all))
        for _ in range(3):
            assert exchange(host.port, "POST", Request().parts()).status == 200


@pytest.mark.parametrize(
    "unit",
    [
        f"--{BOUNDARY}\r\n\r\n\r\n",
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n",
        f"\r\n--{BOUNDARY}",
        ";",
        '";',
        "\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("opening", ["", f"--{BOUNDARY}\r\nContent-Disposition: form-data"])
def test_status_answers_before_a_form_of_no_use(host: Host, unit: str, opening: str) -> None:
    """Its last byte is sent when /status has answered."""
    body = (opening + unit * (MUCH // len(unit))).encode()
    head, body = Request(headers=FORM, body=body).parts()
    with socket.create_connection(("127.0.0.1", host.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head)
        sending = threading.Thread(target=connection.sendall, args=(body[:-1],))
        sending.start()
        assert exchange(host.port, "GET", (b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n",)).status == 200
        sending.join()
        connection.sendall(body[-1:])
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
