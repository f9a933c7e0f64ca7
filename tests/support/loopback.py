"""HTTP servers on this machine, for the time of a block, and calls of them."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, BaseServer

import httpx

from tests.support.patience import PATIENCE_S

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `verify` of httpx, which else reads all certificates anew for each client: 40 ms of processor time."""
_POLL_S = 0.02
"""How long a server that is told to end may take to notice; by default half a second."""


def client(base_url: str = "") -> httpx.Client:
    """One with patience, any number of connections, and no proxy."""
    return httpx.Client(
        base_url=base_url, trust_env=False, verify=_NO_TLS, timeout=PATIENCE_S, limits=httpx.Limits()
    )


def request(
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    patience_s: float = PATIENCE_S,
) -> httpx.Response:
    """The answer to one request, on a connection of its own."""
    with client() as one:
        return one.request(method, url, params=params, headers=headers, content=content, timeout=patience_s)


get = partial(request, "GET")
post = partial(request, "POST")


class QuietHandler(BaseHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def send_json(self, status: int, document: object) -> None:
        """A whole answer."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def listening(
    handler: Callable[..., BaseRequestHandler], port: int = 0, certificate: Path | None = None
) -> Iterator[str]:
    """The server's address, without a slash at its end; https with a `certificate`.

    handler: what ThreadingHTTPServer takes. A `port` of 0 means any free one.
    """
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        with serving(server):
            yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_port}"


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """In a thread of its own; it ends soon after the block."""
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
