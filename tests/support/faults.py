"""A proxy that breaks what it carries: for tests of a client."""

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

import httpx

from tests.support import loopback


class Fault(Enum):
    """What happens to one exchange."""

    NONE = auto()
    DROP = auto()  # the connection ends before an answer begins
    HALF = auto()  # the answer ends in its middle
    HALF_PNG = auto()  # so does the PNG, in an answer whose length is right
    SLOW = auto()  # the answer comes in many small pieces
    STALL = auto()  # the answer stands still in its middle
    BUSY = auto()  # 429 with Retry-After
    UNAVAILABLE = auto()  # 503 with Retry-After
    GATEWAY = auto()  # 502 and a page, as a gateway before a dead server sends it
    PAGE = auto()  # 200 and a page


_CANNED = {
    Fault.BUSY: (
        429,
        "application/json",
        b'{"error":{"code":"429","message":"Please retry after 1 seconds."}}',
    ),
    Fault.UNAVAILABLE: (
        503,
        "application/json; charset=utf-8",
        b'{"error":{"code":"ServiceUnavailable","message":"The service is unavailable."}}',
    ),
    Fault.GATEWAY: (502, "text/html", b"<html><body>Bad Gateway</body></html>"),
    Fault.PAGE: (200, "text/html", b"<html><body>Welcome to the hotel</body></html>"),
}


@dataclass
class Proxy:
    """`seen` has the fault of each exchange; `whole` counts whole answers, by the sha256 of what was sent."""

    port: int
    seen: list[Fault] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


type Plan = Callable[[int, bytes], Fault]
"""The fault for the n-th exchange, counted from 0, and for what is sent in it."""


@contextmanager
def faulty_proxy(upstream: str, plan: Plan, retry_after: str = "0") -> Iterator[Proxy]:
    """Listens on loopback and forwards to `upstream`, an origin; one thread for each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener.getsockname()[1])
    lock = threading.Lock()
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, loopback.client(upstream) as client:
            request = _read_request(connection)
            if request is None:
                return
            target, headers, body = request
            with lock:
                fault = plan(len(proxy.seen), body)
                proxy.seen.append(fault)
            if fault is Fault.DROP:
                return
            if fault in _CANNED:
                status, content_type, document = _CANNED[fault]
                sent = {"Content-Type": content_type, "Retry-After": retry_after}
                _send(connection, status, sent, document, Fault.NONE, ended)
                return
            try:
                answer = client.post(target, headers=headers, content=body)
            except httpx.TransportError:
                return
            sent = {name: value for name, value in answer.headers.items() if name in _FORWARDED}
            if _send(connection, answer.status_code, sent, answer.content, fault, ended):
                with lock:
                    digest = hashlib.sha256(body).hexdigest()
                    proxy.whole[digest] = proxy.whole.get(digest, 0) + 1

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield proxy
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for one in threads:
            one.join()


_FORWARDED = {"content-type", "apim-request-id", "x-segment-uncertainty", "x-ms-error-code", "retry-after"}


def _read_request(connection: socket.socket) -> tuple[str, dict[str, str], bytes] | None:
    """Target, headers and body; None when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65_536)):
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        if not (piece := connection.recv(65_536)):
            return None
        body += piece
    kept = {"content-type", "ocp-apim-subscription-key"}
    return first.split(" ")[1], {name: value for name, value in headers.items() if name in kept}, body


def _send(
    connection: socket.socket,
    status: int,
    headers: dict[str, str],
    body: bytes,
    fault: Fault,
    ended: threading.Event,
) -> bool:
    """Whether the answer went out whole."""
    if fault is Fault.HALF_PNG and status != 200:
        fault = Fault.NONE
    if fault is Fault.HALF_PNG:
        body = body[: len(body) // 2]
    head = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    try:
        connection.sendall(head.encode("latin-1") + b"\r\n")
        if fault is Fault.SLOW:
            step = max(1, len(body) // 20)
            for start in range(0, len(body), step):
                connection.sendall(body[start : start + step])
                time.sleep(0.005)
            return True
        if fault in (Fault.HALF, Fault.STALL):
            connection.sendall(body[: len(body) // 2])
            if fault is Fault.STALL:
                ended.wait()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        connection.sendall(body)
    except OSError:
        return False
    return fault is not Fault.HALF_PNG
