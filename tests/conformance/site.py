"""A web site on loopback that serves pictures, redirects and faults to the service under test."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conformance import pictures
from tests.conformance.requests import jpeg
from tests.support.loopback import serving


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, _, number = self.path.strip("/").partition("/")
        match kind:
            case "photo.jpg" | "my%20photo%20%C3%A9.jpg%2Fsigned?sig=a%2Bb":
                self._send(200, jpeg())
            case "redirect":
                left = int(number) - 1
                self._send(302, location=f"/redirect/{left}" if left else "/photo.jpg")
            case "loop":
                self._send(302, location="/loop")
            case "to-metadata":
                self._send(302, location="http://169.254.169.254/metadata")
            case "status":
                self._send(int(number), b"secret of the other server")
            case "large":
                self._send(200, bytes(pictures.LARGEST + 1))
            case "text":
                self._send(200, b"Hello")
            case _:
                self._send(200, b"")

    def _send(self, status: int, body: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A service that hangs up on a body too large is what some cases are about."""


@contextmanager
def picture_site(port: int) -> Iterator[str]:
    """Serve on 127.0.0.1:port; gives the base URL."""
    with _Server(("127.0.0.1", port), _Handler) as server, serving(server):
        yield f"http://127.0.0.1:{port}"
