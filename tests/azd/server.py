"""HTTP/1.1 on the loopback address: plain, and as the far end of a proxy's tunnels."""

import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.azd.messages import Answer, Call
from tests.support.loopback import serving

type Answers = Callable[[Call], Answer]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to `answers`; `host` is what the tunnel was asked for, if it is one."""

    protocol_version = "HTTP/1.1"
    answers: Answers
    host = ""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.command, self.host or headers.get("host", ""), self.path, headers, self._body())
        answer = self.answers(call)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204 and "content-length" not in {name.lower() for name in answer.headers}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """One way for every method."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Faults of what is played are told; callers who leave are no news."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """To stderr, which pytest shows when a test fails."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


def serve_connection(connection: socket.socket, answers: Answers, host: str) -> None:
    """All requests on a connection, until it ends."""
    handler = type("Tunnelled", (Handler,), {"answers": staticmethod(answers), "host": host})
    handler(connection, ("127.0.0.1", 0), None)


@contextmanager
def plain_server(answers: Answers) -> Iterator[str]:
    """Its URL, until the end of the block."""
    handler = type("Plain", (Handler,), {"answers": staticmethod(answers)})
    with running(Server(("127.0.0.1", 0), handler)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[int]:
    """The port, until the end of the block."""
    with server, serving(server):
        yield int(server.server_address[1])
