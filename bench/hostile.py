"""The budget rule: what small files may cost when they ask for as much work as they can.

Any legal picture, alone or two at once, is answered or refused within 5 s, but for ordinary ones above
16 megapixels; meanwhile other callers' small photos are answered within 3 s and `/status` within 200 ms.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from bench.photos import jpeg
from bench.processes import service_mb
from bench.report import Table
from bench.servers import Server, ours
from tests.support.giants import GIANTS
from tests.support.hostile import HOSTILE

_BETWEEN_S = 0.02
_ORDINARY = {f"ordinary: {name}": make for name, make in GIANTS.items()}


def run() -> list[Table]:
    """Each file alone and twice at once, beside a caller of small photos and one of /status."""
    rows = []
    with ours() as server:
        server.cut_out(jpeg(400, 300))
        for name, make in (HOSTILE | _ORDINARY).items():
            data = make()
            alone = _measured(server, data, 1)
            twice = _measured(server, data, 2)
            rows.append(
                [name, f"{len(data) / 2**20:.1f}", *alone, *twice[1:], f"{service_mb(server.pid):.0f}"]
            )
            print(rows[-1], flush=True)
    columns = (
        "picture",
        "MB",
        "status",
        "alone, s",
        "a small photo, s",
        "/status, ms",
        "two at once, s",
        "a small photo, s",
        "/status, ms",
        "MB after",
    )
    note = (
        "Files that cost as much as the limits allow, sent to the embedded host. Meanwhile one caller sends "
        "photos of 400 x 300 one after the other, and another asks for /status. Each cell is the slowest. "
        "The rule is 5 s, 3 s and 200 ms. Ordinary pictures above 16 megapixels, 16 000 x 16 000 unless a "
        "size is given, may take longer, but others do not wait longer for them."
    )
    return [Table("Hostile files", note, columns, rows)]


def _measured(server: Server, data: bytes, count: int) -> list[str]:
    ended = threading.Event()
    small = jpeg(400, 300)
    url = str(server.client.base_url)
    with ThreadPoolExecutor(count + 2) as callers:
        hostile = [callers.submit(_post, url, server.path, data) for _ in range(count)]
        photos = callers.submit(_slowest, ended, lambda client: _send(client, server.path, small), url)
        status = callers.submit(_slowest, ended, lambda client: client.get("/status"), url)
        answers = [each.result() for each in hostile]
        ended.set()
    codes = "/".join(sorted({str(code) for code, _ in answers}))
    seconds = max(seconds for _, seconds in answers)
    return [codes, f"{seconds:.2f}", f"{photos.result():.2f}", f"{status.result() * 1000:.0f}"]


def _post(url: str, path: str, data: bytes) -> tuple[int, float]:
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        begin = time.perf_counter()
        response = _send(client, path, data)
        return response.status_code, time.perf_counter() - begin


def _send(client: httpx.Client, path: str, data: bytes) -> httpx.Response:
    return client.post(path, content=data, headers={"Content-Type": "application/octet-stream"})


def _slowest(ended: threading.Event, ask: Callable[[httpx.Client], httpx.Response], url: str) -> float:
    """Seconds of the slowest of many requests, one after the other until `ended`."""
    slowest = 0.0
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        while not ended.is_set():
            begin = time.perf_counter()
            ask(client).raise_for_status()
            slowest = max(slowest, time.perf_counter() - begin)
            ended.wait(_BETWEEN_S)
    return slowest
