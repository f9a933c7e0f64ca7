import re
import socket
import time
from http.client import HTTPConnection

import pytest

from tests.conformance.requests import Request
from tests.support.hosts import Host
from tests.support.patience import PATIENCE_S


def answer(host: Host, request: bytes) -> bytes:
    """All that comes after the sending side is closed."""
    with socket.create_connection(("127.0.0.1", host.port), timeout=PATIENCE_S) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65_536):
            received += data
    return received


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_a_half_closed_caller_is_answered(host: Host, version: bytes) -> None:
    head, body = Request(headers={"Connection": "keep-alive"}).parts()
    received = answer(host, head.replace(b"HTTP/1.1", version) + body)
    interim = rb"(HTTP/1.1 100 Continue\r\n\r\n)*" if version == b"HTTP/1.1" else b""
    assert re.match(interim + rb"HTTP/1.1 200 OK\r\n", received)
    assert b"IEND\xaeB`\x82" in received[-20:]


def test_a_request_that_breaks_off_is_not(host: Host) -> None:
    head, body = Request().parts()
    assert answer(host, head + body[:-1]) == b""


def test_an_idle_connection_is_kept(host: Host) -> None:
    """Callers who use it again would else meet its end: uvicorn keeps one for 5 seconds."""
    connection = HTTPConnection("127.0.0.1", host.port, timeout=PATIENCE_S)
    for pause_s in (0, 7):
        time.sleep(pause_s)
        connection.request("GET", "/status")  # does not connect again by itself
        assert connection.getresponse().read()
    connection.close()
