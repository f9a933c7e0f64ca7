"""Whatever a stranger sends, the event loop does nothing for long."""

import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pytest

from tests.support.heartbeat import longest_ms
from tests.support.hosts import KEYS, PROJECT, Host, free_port, watched_host
from tests.support.measuring import least
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded

pytestmark = pytest.mark.slow  # starts a host

MOST_MS = 50
"""Of the loop's own processor time. What is seen is a third of it at most."""
ORIGIN = "127.0.0.3"
PATH = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"
BYTES, JSON = "application/octet-stream", "application/json"
FORM = "multipart/form-data; boundary=b"
PART = b"--b\r\nContent-Disposition: form-data; filename=a\r\n\r\n"


@dataclass(frozen=True)
class Watched:
    """A host, what its loop did for long, and the port that image URLs may have."""

    host: Host
    log: Path
    origin_port: int

    def longest_ms(self, head: bytes, body: bytes = b"") -> float:
        """What the loop did for longest while this was sent and answered, in the best of a few tries."""
        return least(lambda: self.once_ms(head, body), MOST_MS)

    def once_ms(self, head: bytes, body: bytes) -> float:
        """The same of one try."""
        self.log.write_text("")
        with socket.create_connection(("127.0.0.1", self.host.port), timeout=PATIENCE_S) as connection:
            sending = threading.Thread(target=_send, args=(connection, head, body))
            sending.start()
            with suppress(ConnectionResetError):
                while connection.recv(65_536):
                    pass
            sending.join()
        return longest_ms(self.log)


def _send(connection: socket.socket, head: bytes, body: bytes) -> None:
    with suppress(OSError):  # refused before all was sent
        connection.sendall(head)
        connection.sendall(body)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("heartbeat")
    log = folder / "beats.txt"
    log.write_text("")
    port = free_port()
    settings = {
        "SEGMENT_API_KEYS": KEYS[0],
        "SEGMENT_MODEL": "u2netp",
        "SEGMENT_URL_ALLOWED_NETWORKS": f"{ORIGIN}/32",
        "SEGMENT_URL_ALLOWED_PORTS": str(port),
    }
    with watched_host(folder / "log.txt", log, settings) as host:
        yield Watched(host, log, port)


def head_of(content_type: str, length: int | None, path: str = PATH, fields: bytes = b"") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    head += f"Ocp-Apim-Subscription-Key: {KEYS[0]}\r\n{framing}\r\n"
    return head.encode() + fields + b"\r\n"


def byte_by_byte(body: bytes) -> bytes:
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


DOCUMENTS = {
    "blanks after a value": b"{'url':'x'" + b" " * 65_000,
    "blanks around a comma": b"{'url':'x'" + b" " * 32_000 + b"," + b" " * 32_000,
    "blanks before everything": b" " * 65_000 + b"{",
    "line breaks": b"{'url'" + b"\n" * 65_000,
    "brackets": b'{"url":' + b"[" * 65_000,
    "escapes": b'{"url":"' + b"\\u0041" * 10_000 + b'"}',
    "properties": b"{" + b'"a":1,' * 10_000 + b'"a":1}',
    "digits": b'{"url":' + b"1" * 65_000 + b"}",
}
FORMS = {
    "short fields": (b"--b\n" + b"a:\n" * 5400 + b"\nx\n") * 15,
    "folded fields": (b"--b\na:\n" + b" \n" * 8000 + b"\nx\n") * 15,
    "types": (b"--b\n" + b"content-type:\n" * 1100 + b"\nx\n") * 15,
    "quotes": (b"--b\nContent-Disposition: " + b'";' * 8000 + b"\n\nx\n") * 15,
    "fields without an end": b"--b\n" + b"a:\n" * 100_000,
    "parts": b"--b\n\n\n" * 100_000,
    "line breaks": b"\r\n" * 5_000_000,
    "almost delimiters": PART + b"\n--" * 5_000_000,
    "one large part": PART + bytes(20_000_000) + b"\r\n--b--\r\n",
}
HEADS = {
    "query": head_of(BYTES, 4, PATH + "&a" * 30_000),
    "encoded query": head_of(BYTES, 4, PATH + "&%6Dode" * 8_000),
    "path": head_of(BYTES, 4, "/" * 60_000),
    "fields": head_of(BYTES, 4, fields=b"a:\r\n" * 15_000),
    "charset": head_of(JSON + "; charset=" * 6000, 4),
    "boundary": head_of(FORM + ';boundary="\\"' * 4000, 4),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_json(watched: Watched, name: str) -> None:
    body = DOCUMENTS[name]
    assert watched.longest_ms(head_of(JSON, len(body)), body) < MOST_MS


@pytest.mark.parametrize("name", FORMS)
def test_forms(watched: Watched, name: str) -> None:
    body = FORMS[name]
    assert watched.longest_ms(head_of(FORM, len(body)), body) < MOST_MS


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (BYTES, bytes(100_000)),
        (JSON, DOCUMENTS["blanks after a value"]),
        (FORM, PART + bytes(50_000)),
        (FORM, FORMS["short fields"][:50_000]),
    ],
    ids=["bytes", "json", "form", "fields of a form"],
)
def test_chunks_of_one_byte(watched: Watched, content_type: str, body: bytes) -> None:
    assert watched.longest_ms(head_of(content_type, None), byte_by_byte(body)) < MOST_MS


@pytest.mark.parametrize("name", HEADS)
def test_heads(watched: Watched, name: str) -> None:
    assert watched.longest_ms(HEADS[name], b"body") < MOST_MS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_pictures(watched: Watched, form: str) -> None:
    body = encoded(form, 1500, 1000)
    assert watched.longest_ms(head_of(BYTES, len(body)), body) < MOST_MS


def test_pages(watched: Watched) -> None:
    for path in ("/", "/status", "/ready", "/openapi.json", "/swagger", "/swagger/swagger-ui-bundle.js"):
        head = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        assert watched.longest_ms(head) < MOST_MS


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ORIGINS: dict[str, Callable[[], Iterator[bytes]]] = {
    "interim answers": lambda: repeat(b"HTTP/1.1 100 \r\n\r\n" * 8192, 500),
    "fields": lambda: iter([OK + b"a:\r\n" * 25_000 + b"Content-Length: 1\r\n\r\nx"]),
    "trailers": lambda: iter([CHUNKED + b"1\r\nx\r\n0\r\n" + b"a:\r\n" * 25_000 + b"\r\n"]),
    "chunks of one byte": lambda: iter([CHUNKED, *[b"1\r\nx\r\n" * 20_000] * 500]),
    "extensions of chunks": lambda: iter([CHUNKED, *[b"1;" + b"a" * 16_000 + b"\r\nx\r\n"] * 500]),
    "gzip members": lambda: iter([OK + b"Content-Encoding: gzip\r\n\r\n", _gzip(b"") * 1024]),
    "a bomb": lambda: iter([OK + b"Content-Encoding: gzip\r\n\r\n", _gzip(bytes(100_000_000))]),
    "long redirects": lambda: iter(
        [b"HTTP/1.1 302 Found\r\nLocation: http://a/" + b"../" * 2600 + b"\r\nContent-Length: 0\r\n\r\n"]
    ),
    "much": lambda: iter([OK + b"Content-Length: 20971520\r\n\r\n", bytes(20_971_520)]),
}


def _gzip(content: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    return deflate.compress(content) + deflate.flush()


@contextmanager
def origin(port: int, answer: Iterator[bytes]) -> Iterator[None]:
    """A server that is asked once and answers with this, as fast as it is taken."""
    asked = threading.Event()

    def serve() -> None:
        with suppress(OSError), listener, listener.accept()[0] as connection:
            asked.set()
            connection.recv(65_536)
            for piece in answer:
                connection.sendall(piece)

    with socket.create_server((ORIGIN, port)) as listener:
        listener.settimeout(PATIENCE_S)
        serving = threading.Thread(target=serve)
        serving.start()
        yield
        serving.join()
    assert asked.is_set()


@pytest.mark.parametrize("name", ORIGINS)
def test_origins(watched: Watched, name: str) -> None:
    body = b'{"url":"http://%b:%d/"}' % (ORIGIN.encode(), watched.origin_port)

    def once_ms() -> float:
        with origin(watched.origin_port, ORIGINS[name]()):
            return watched.once_ms(head_of(JSON, len(body)), body)

    assert least(once_ms, MOST_MS) < MOST_MS


BUSY = """
import asyncio, sys
from pathlib import Path
from tests.support.heartbeat import watch

async def main():
    await asyncio.sleep(0.01)
    for _ in range(10_000_000):  # 200 ms of a usual machine
        pass

watch(Path(sys.argv[1]))
asyncio.run(main())
"""


def test_the_watch_sees_what_takes_long(tmp_path: Path) -> None:
    log = tmp_path / "beats.txt"
    subprocess.run([sys.executable, "-c", BUSY, str(log)], cwd=PROJECT, check=True)
    assert longest_ms(log) > MOST_MS
