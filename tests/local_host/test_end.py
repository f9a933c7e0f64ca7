"""How the embedded host answers what it does not know, and how it ends."""

import io
import os
import signal
import socket
from pathlib import Path

import pytest
from PIL import Image

from shared_code.errors import ResourceNotFound
from tests.support import loopback
from tests.support.hosts import KEYS, Host, embedded_host, ends_by_itself
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "CONNECTX"])
@pytest.mark.parametrize("path", ["/", "/status", "/no/such/path"])
def test_unknown_methods_get_the_document(host: Host, method: str, path: str) -> None:
    answer = loopback.request(method, host.url + path)
    assert (answer.status_code, answer.content) == (404, ResourceNotFound().body())
    assert answer.headers["x-ms-error-code"] == "404"


def large_picture() -> bytes:
    """Takes long to cut out, and its PNG does not fit into the buffers of a connection."""
    content = io.BytesIO()
    Image.effect_noise((5000, 3200), 90).convert("RGB").save(content, "JPEG", quality=80)
    return content.getvalue()


@pytest.mark.parametrize("read", [0, 12], ids=["while it is worked on", "while the client reads nothing"])
def test_sigterm_ends_the_process(tmp_path: Path, read: int) -> None:
    picture = large_picture()
    query = "api-version=2023-02-01-preview&mode=backgroundRemoval"
    head = (
        f"POST /computervision/imageanalysis:segment?{query} HTTP/1.1\r\nHost: x\r\n"
        f"Ocp-Apim-Subscription-Key: {KEYS[0]}\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    settings = {"SEGMENT_API_KEYS": ",".join(KEYS), "SEGMENT_MODEL": "u2netp"}
    with embedded_host(tmp_path / "log.txt", settings) as running, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", running.port))
        client.sendall(head.encode() + picture)
        client.settimeout(PATIENCE_S)
        assert len(client.recv(read)) == read
        os.kill(running.pid, signal.SIGTERM)
        assert ends_by_itself(running.pid)
