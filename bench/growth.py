"""Does the process grow? Two thousand requests to each host, with all that costs too much in between."""

import random
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache

from bench.photos import MEGAPIXELS, jpeg
from bench.processes import service_mb
from bench.report import Table
from bench.servers import SEGMENT_PATH, Server, ours, ours_on_functions_host
from tests.functions_host import HOW_TO_GET_ONE, find_host
from tests.support.hostile import HOSTILE
from tests.support.photos import encoded

REQUESTS = 2000
_WARM = 200
_AT_ONCE = 4
_AFTERWARDS = 8
_REST_S = 20
_HELD_S = 35
"""How long a caller who stops reading holds his connection: longer than SEGMENT_STALL_S."""
_SHARES = {"photo": 84, "hostile": 6, "stops reading": 3, "drips": 3, "leaves": 4}
_SMALL = SEGMENT_PATH + "&model-name=u2netp"


def run() -> list[Table]:
    """Memory after the first 200 requests, at its most, and when all is over."""
    with ours() as server:
        rows = [_campaign(server)]
    if find_host() is None:
        print(HOW_TO_GET_ONE)
    else:
        with ours_on_functions_host() as server:
            rows.append(_campaign(server))
    shares = ", ".join(f"{share} % {kind}" for kind, share in _SHARES.items())
    note = (
        f"{REQUESTS} requests, {_AT_ONCE} at a time: {shares}. Photos have five formats, and some are "
        "broken; hostile files are those of the next table. Callers who stop reading have sent 16 "
        f"megapixels, read 12 bytes and stay for {_HELD_S} s; callers who drip upload a byte a second "
        "for as long. "
        "MB are proportional sizes of the process that runs the functions and of those that read its "
        f"pictures. Afterwards: {_AFTERWARDS} callers at "
        "once, 2 megapixels each."
    )
    columns = (
        "host",
        "statuses of photos and hostile files",
        f"MB after {_WARM} photos",
        "most",
        f"after {REQUESTS}",
        "growth",
        "whole pictures afterwards",
    )
    return [Table("No growth", note, columns, rows)]


def _campaign(server: Server) -> list[str]:
    chance = random.Random(2)
    for _ in range(_WARM):
        _photo(server, chance)
    time.sleep(_REST_S)
    before = most = service_mb(server.pid)
    kinds = chance.choices(list(_SHARES), list(_SHARES.values()), k=REQUESTS)
    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(_AT_ONCE) as callers:
        works = [callers.submit(_WORKS[kind], server, random.Random(seed)) for seed, kind in enumerate(kinds)]
        for work in works:
            statuses[work.result()] += 1
            most = max(most, service_mb(server.pid))
        time.sleep(_HELD_S + _REST_S)
        after = service_mb(server.pid)
        pictures = list(callers.map(server.cut_out, [jpeg(*MEGAPIXELS["2"])] * _AFTERWARDS))
    del statuses[0]
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    growth = f"**{100 * (after / before - 1):+.1f} %**"
    whole = sum(picture.endswith(b"IEND\xaeB`\x82") for picture in pictures)
    return [
        server.name,
        told,
        *(f"{megabytes:.0f}" for megabytes in (before, most, after)),
        growth,
        f"{whole} of {_AFTERWARDS}",
    ]


@cache
def _bodies() -> tuple[bytes, ...]:
    return (
        *(encoded(form, 640, 480) for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF")),
        jpeg(1632, 1224),
        b"no picture",
        encoded("PNG", 300, 400)[:-100],
        encoded("BMP", 40, 40),
    )


_hostile_file = cache(lambda name: HOSTILE[name]())


def _photo(server: Server, chance: random.Random) -> int:
    path = chance.choice((SEGMENT_PATH, _SMALL, _SMALL.replace("backgroundRemoval", "foregroundMatting")))
    return _status(server, path, chance.choice(_bodies()))


def _hostile(server: Server, chance: random.Random) -> int:
    return _status(server, SEGMENT_PATH, _hostile_file(chance.choice(list(HOSTILE))))


def _stops_reading(server: Server, _: random.Random) -> int:
    connection = _sent(server, jpeg(*MEGAPIXELS["16"]), receive_buffer=4096)
    connection.recv(12)
    timer = threading.Timer(_HELD_S, connection.close)
    timer.daemon = True
    timer.start()
    return 0


def _drips(server: Server, _: random.Random) -> int:
    threading.Thread(target=_drip, args=(_sent(server, bytes(1000), kept_back=1000),), daemon=True).start()
    return 0


def _drip(connection: socket.socket) -> None:
    with suppress(OSError), connection:
        for _ in range(_HELD_S):
            connection.sendall(b"\0")
            time.sleep(1)


def _leaves(server: Server, chance: random.Random) -> int:
    kept_back = chance.choice((0, 0, 1000, 100_000))
    with _sent(server, jpeg(*MEGAPIXELS["12"]), kept_back=kept_back):
        time.sleep(chance.random() / 2)
    return 0


_WORKS = {
    "photo": _photo,
    "hostile": _hostile,
    "stops reading": _stops_reading,
    "drips": _drips,
    "leaves": _leaves,
}


def _sent(server: Server, body: bytes, *, kept_back: int = 0, receive_buffer: int = 0) -> socket.socket:
    """A connection on which a request has been sent, but for its last bytes."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(120)
    connection.connect(("127.0.0.1", server.client.base_url.port))
    head = (
        f"POST {SEGMENT_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[: len(body) - kept_back])
    return connection


def _status(server: Server, path: str, body: bytes) -> int:
    headers = {"Content-Type": "application/octet-stream"}
    return server.client.post(path, content=body, headers=headers).status_code
