"""The proxy between azd and the world: Azure's hosts are played, the others are passed on unread."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler

from tests.azd.certificates import Authority
from tests.azd.server import Answers, Server, running, serve_connection
from tests.support.patience import PATIENCE_S

PLAYED = (
    "azure.com",
    "azure.net",
    "azurewebsites.net",
    "windows.net",
    "microsoftonline.com",
    "microsoft.com",
    "aka.ms",
)


def is_played(host: str) -> bool:
    """Whether calls of this host are answered here."""
    return any(host == domain or host.endswith("." + domain) for domain in PLAYED)


@contextmanager
def proxy(answers: Answers, authority: Authority) -> Iterator[str]:
    """Its URL, until the end of the block."""

    class Tunnels(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            host, _, port = self.path.partition(":")
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            with suppress(OSError, ssl.SSLError):
                if is_played(host):
                    with authority.context(host).wrap_socket(self.connection, server_side=True) as inside:
                        serve_connection(inside, answers, host)
                else:
                    _pass_on(self.connection, host, int(port))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with running(Server(("127.0.0.1", 0), Tunnels)) as port:
        yield f"http://127.0.0.1:{port}"


def _pass_on(near: socket.socket, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=PATIENCE_S) as far:
        far.settimeout(None)
        other = threading.Thread(target=_copy, args=(far, near), daemon=True)
        other.start()
        _copy(near, far)
        other.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
