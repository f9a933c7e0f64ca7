"""An HTTP client that sends what it is given, to the letter, and tells all of the answer."""

import http.client
import socket
from dataclasses import dataclass

from tests.support.patience import PATIENCE_S


@dataclass(frozen=True)
class Reply:
    """An answer: `headers` by lower-case name, `body` without transfer coding."""

    status: int
    headers: dict[str, str]
    body: bytes


def exchange(port: int, method: str, parts: tuple[bytes, ...]) -> Reply:
    """Send `parts` over one connection and read one answer. Stops sending when the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered early: the answer is what counts
        with http.client.HTTPResponse(connection, method=method) as response:
            response.begin()
            body = response.read()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, body)
