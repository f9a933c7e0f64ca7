"""Calls of the functions, and what the host's log tells of them."""

import re
import socket
import struct

from tests.conformance.client import Reply, exchange
from tests.conformance.requests import Request
from tests.support.hosts import Host
from tests.support.patience import PATIENCE_S, wait_for

_BEGUN = re.compile(r"Executing 'Functions\.(\w+)' .*Id=([0-9a-f-]+)")
_ENDED = re.compile(r"Executed 'Functions\.(\w+)' \((\w+), Id=([0-9a-f-]+)")


def ask(host: Host, request: Request) -> Reply:
    """The answer to one request."""
    return exchange(host.port, request.method, request.parts())


def get(host: Host, path: str) -> Reply:
    """The answer to a GET without a body."""
    return ask(host, Request(path=path, query="", method="GET", body=b""))


def sent(host: Host, request: Request) -> socket.socket:
    """A connection on which the request has been sent."""
    connection = socket.create_connection(("127.0.0.1", host.port), PATIENCE_S)
    connection.sendall(b"".join(request.parts()))
    return connection


def reset(connection: socket.socket) -> None:
    """Leave without a farewell: close sends RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def begun(host: Host) -> list[tuple[str, str]]:
    """Function and invocation id of every call that the host has begun."""
    return _BEGUN.findall(host.log.read_text())


def still_open(host: Host) -> set[str]:
    """Invocation ids of calls that the host has begun and not ended."""
    log = host.log.read_text()
    return {id for _, id in _BEGUN.findall(log)} - {id for *_, id in _ENDED.findall(log)}


def wait_for_the_end_of_all_calls(host: Host) -> None:
    """Until the host has ended every call. Raises TimeoutError."""
    wait_for(lambda: not still_open(host))
