"""Does the service survive its decoders? Requests of which a tenth crash, hang or swell one, on each host."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.processes import service_mb, with_children
from bench.report import Table
from bench.servers import SEGMENT_PATH
from tests.conformance.hosts import KINDS, started
from tests.functions_host import HOW_TO_GET_ONE, Instance, find_host
from tests.support.faulty_app import make_faulty_app
from tests.support.faulty_zygote import marked
from tests.support.photos import encoded

REQUESTS = 2000
_AT_ONCE = 4
_ONE_IN = 10
_SETTINGS = {"SEGMENT_ALLOW_ANONYMOUS": "true", "SEGMENT_MODEL": "u2netp", "SEGMENT_SLOT_WAIT_S": "60"}
_FAULTS = [
    (where, what)
    for where in ("plan", "picture")
    for what in ("crash", "abort", "exit", "spin", "sleep", "bloat", "garbage", "flood", "half")
]
_REST_S = 8
"""After that the engine has given back what pictures leave."""
_WARM = 50


def run() -> list[Table]:
    """A row for each host."""
    rows = []
    for kind in KINDS:
        if kind == "functions" and find_host() is None:
            print(HOW_TO_GET_ONE)
        else:
            rows.append(_campaign(kind, REQUESTS))
    note = (
        f"{REQUESTS} requests, {_AT_ONCE} at a time, small photos of four formats; one in {_ONE_IN} has its "
        "decoder crash, hang, take all memory it gets or send garbage, by a zygote that only tests have. MB "
        "are proportional sizes of the service with all its processes."
    )
    columns = (
        "host",
        "honest callers",
        "the others",
        "/status, ms, slowest",
        "MB before",
        "most",
        "after",
        "rooms left",
    )
    return [Table("Survival", note, columns, rows)]


def _campaign(kind: str, requests: int) -> list[str]:
    chance = random.Random(3)
    honest = [encoded(form, 320, 240) for form in ("JPEG", "PNG", "WEBP", "TIFF")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        app = make_faulty_app(folder / "app")
        host = stack.enter_context(started(kind, folder / "log.txt", _SETTINGS, app))
        service = host.worker_pids[0] if isinstance(host, Instance) else host.pid
        for number in range(_WARM):
            _post(host.url, honest[number % len(honest)])
        time.sleep(_REST_S)
        before = most = service_mb(service)
        ended = threading.Event()
        slowest = [0.0]
        watch = threading.Thread(target=_ask_status, args=(host.url, ended, slowest))
        watch.start()
        good: Counter[int] = Counter()
        bad: Counter[int] = Counter()
        with ThreadPoolExecutor(_AT_ONCE) as callers:
            waiting = []
            for _ in range(requests):
                if chance.randrange(_ONE_IN) == 0:
                    waiting.append((bad, callers.submit(_post, host.url, marked(*chance.choice(_FAULTS)))))
                else:
                    waiting.append((good, callers.submit(_post, host.url, chance.choice(honest))))
            for statuses, answer in waiting:
                statuses[answer.result()] += 1
                most = max(most, service_mb(service))
        ended.set()
        watch.join()
        time.sleep(_REST_S)
        after = service_mb(service)
        left = len(with_children(service)) - 2
    megabytes = (f"{value:.0f}" for value in (before, most, after))
    return [kind, _told(good), _told(bad), f"{slowest[0] * 1000:.0f}", *megabytes, str(left)]


def _told(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def _post(url: str, body: bytes) -> int:
    headers = {"Content-Type": "application/octet-stream"}
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        return client.post(SEGMENT_PATH, content=body, headers=headers).status_code


def _ask_status(url: str, ended: threading.Event, slowest: list[float]) -> None:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while not ended.wait(0.02):
            begin = time.perf_counter()
            client.get("/status").raise_for_status()
            slowest[0] = max(slowest[0], time.perf_counter() - begin)
