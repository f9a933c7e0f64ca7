"""Requests of the conformance table, as bytes on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.hosts import KEYS
from tests.support.photos import encoded

PATH = "/computervision/imageanalysis:segment"
VERSION = "api-version=2023-02-01-preview"
QUERY = f"{VERSION}&mode=backgroundRemoval"
MATTE_QUERY = f"{VERSION}&mode=foregroundMatting"
BOUNDARY = "conformance-boundary"


def jpeg() -> bytes:
    """A small photo."""
    return encoded("JPEG", 160, 120)


@dataclass(frozen=True)
class Request:
    """One request. `headers` replace the defaults of the same name; None leaves a default out.

    `body` None means a small photo, `announced` a Content-Length other than the body's, `chunked` the
    transfer coding instead of any.
    """

    query: str = QUERY
    path: str = PATH
    method: str = "POST"
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    announced: int | None = None
    chunked: bool = False

    def parts(self) -> tuple[bytes, ...]:
        """Head and body."""
        body = jpeg() if self.body is None else self.body
        headers: dict[str, str | None] = {
            "Host": "127.0.0.1",
            "Ocp-Apim-Subscription-Key": KEYS[0],
            "Content-Type": "application/octet-stream",
            "Connection": "close",
        }
        if self.chunked:
            headers["Transfer-Encoding"] = "chunked"
            body = _chunked(body)
        else:
            headers["Content-Length"] = str(len(body) if self.announced is None else self.announced)
        headers |= self.headers
        target = f"{self.path}?{self.query}" if self.query else self.path
        head = f"{self.method} {target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        return (head + "\r\n").encode("latin-1"), body


def with_url(document: str, content_type: str = "application/json") -> Request:
    """A request whose body is this JSON text."""
    return Request(headers={"Content-Type": content_type}, body=document.encode())


def form(*parts: tuple[str, bytes], end: bool = True, boundary: str = BOUNDARY) -> Request:
    """A multipart request; each part is its header lines and its content."""
    body = b"".join(
        f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n" for headers, content in parts
    )
    body += f"--{BOUNDARY}--\r\n".encode() if end else b""
    content_type = f"multipart/form-data; boundary={boundary}" if boundary else "multipart/form-data"
    return Request(headers={"Content-Type": content_type}, body=body)


def _chunked(body: bytes) -> bytes:
    step = 70_000
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
