"""Does the service survive its decoders? A tenth of the pictures crash, hang or bloat one, on each way in."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.processes import runs, service_mb, with_children
from bench.report import Table
from bench.servers import SEGMENT_PATH
from cutout_function.names import error_name, picture_name
from tests.cutout_function.cloud import Cloud, new_cloud
from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.support.azurite import azurite
from tests.support.faulty_app import make_faulty_app
from tests.support.faulty_zygote import marked
from tests.support.hosts import embedded_host_at, free_port
from tests.support.patience import wait_for
from tests.support.photos import encoded
from tests.support.rooms import has_job

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
_WARM, _LOOKED_AFTER = 50, 5
_PATIENCE_S, _LOOK_S = 120, 0.1
"""How long a blob is waited for, and how often it is looked for."""
_KILLS, _MORE, _SOME, _GONE_S = 2, 50, 5, 1
"""Kills of the service; pictures sent beside each; those that are answered first; the time that its
processes have to end."""


@dataclass
class Service:
    """A host at work: its address, the process that runs the functions, and how a picture is sent to it.

    send: returns how that ended. again: brings a killed service back, and returns its process. keeps: whether
    a picture that was sent is answered although the service is killed.
    """

    url: str
    pid: int
    send: Callable[[bytes], str]
    again: Callable[[], int]
    keeps: bool


def run() -> list[Table]:
    """A row for each way in."""
    rows = []
    for name, serve in WAYS.items():
        if "Functions" in name and find_host() is None:
            print(HOW_TO_GET_ONE)
        else:
            rows.append(campaign(name, serve, REQUESTS))
            print(rows[-1], flush=True)
    note = (
        f"{REQUESTS} pictures, {_AT_ONCE} at a time, small photos of four formats; one in {_ONE_IN} has its "
        "decoder crash, hang, take all memory it gets or send garbage, by a zygote for tests only. They "
        "are sent to the API, or uploaded to a container that the host watches, in Azurite. MB are "
        f"proportional sizes of the service with all its processes. Then it gets {_MORE} pictures and is "
        f"killed (`kill -9`), {_KILLS} times: after the API's calls have ended, and while most of the blobs "
        f"are still to be cut out. The last column: processes that are left of it {_GONE_S} s later."
    )
    columns = (
        "way in",
        "honest callers",
        "the others",
        "/status, ms, slowest",
        "MB before",
        "most",
        "after",
        "rooms left",
        "honest callers, killed",
        "the others, killed",
        "left",
    )
    return [Table("Survival", note, columns, rows)]


@contextmanager
def _embedded(folder: Path, app: Path, cloud: Cloud | None) -> Iterator[Service]:
    port, numbers = free_port(), itertools.count()
    settings = {**_SETTINGS, **(cloud.environment if cloud else {})}
    with ExitStack() as hosts:

        def begin() -> int:
            log = folder / f"log-{next(numbers)}.txt"
            return hosts.enter_context(embedded_host_at(port, log, settings, app)).pid

        url = f"http://127.0.0.1:{port}"
        yield Service(url, begin(), _sending(url, cloud), begin, keeps=cloud is not None)


@contextmanager
def _functions(folder: Path, app: Path, cloud: Cloud | None) -> Iterator[Service]:
    """The process is the host's worker; the host itself brings it back."""
    settings = {**_SETTINGS, **(cloud.environment if cloud else {})}
    storage = cloud.connection_string if cloud else None
    with functions_host(folder / "log.txt", settings, app, storage=storage) as host:

        def again() -> int:
            wait_for(lambda: bool(host.worker_pids) and _is_ready(host.url), _PATIENCE_S)
            return host.worker_pids[0]

        yield Service(host.url, again(), _sending(host.url, cloud), again, keeps=cloud is not None)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=_PATIENCE_S, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


type Serve = Callable[[Path, Path, Cloud | None], AbstractContextManager[Service]]


@contextmanager
def _with_storage(serve: Serve, folder: Path, app: Path) -> Iterator[Service]:
    (folder / "storage").mkdir()
    with azurite(folder / "storage") as connection, serve(folder, app, new_cloud(connection)) as service:
        yield service


WAYS: Mapping[str, Callable[[Path, Path], AbstractContextManager[Service]]] = {
    "API, embedded host": partial(_embedded, cloud=None),
    "API, Functions host": partial(_functions, cloud=None),
    "blobs, embedded host": partial(_with_storage, _embedded),
    "blobs, Functions host": partial(_with_storage, _functions),
}


class _Callers:
    """Callers of a service, honest ones and others, who send a picture each."""

    def __init__(self, service: Service, pool: ThreadPoolExecutor) -> None:
        self._service = service
        self._pool = pool
        self._chance = random.Random(3)
        self._honest = [encoded(form, 320, 240) for form in ("JPEG", "PNG", "WEBP", "TIFF")]

    def warm(self, count: int) -> None:
        """Honest pictures, one after the other."""
        for number in range(count):
            self._service.send(self._honest[number % len(self._honest)])

    def send(self, count: int, good: Counter[str], bad: Counter[str]) -> Iterator[Future[str]]:
        """Begin so many calls; those that have ended, in order, are counted as they are taken."""
        calls = []
        for _ in range(count):
            if self._chance.randrange(_ONE_IN) == 0:
                calls.append((bad, marked(*self._chance.choice(_FAULTS))))
            else:
                calls.append((good, self._chance.choice(self._honest)))
        waiting = [(counts, self._pool.submit(self._service.send, picture)) for counts, picture in calls]
        for counts, call in waiting:
            counts[call.result()] += 1
            yield call


def campaign(
    name: str, serve: Callable[[Path, Path], AbstractContextManager[Service]], requests: int
) -> list[str]:
    """Send so many pictures; the row of what became of them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        service = stack.enter_context(serve(folder, make_faulty_app(folder / "app")))
        callers = _Callers(service, stack.enter_context(ThreadPoolExecutor(_AT_ONCE)))
        callers.warm(min(_WARM, requests))
        time.sleep(_REST_S)
        before = most = service_mb(service.pid)
        good, bad = Counter[str](), Counter[str]()
        with _status_asked(service.url) as slowest_ms:
            for number, _ in enumerate(callers.send(requests, good, bad)):
                if number % _LOOKED_AFTER == 0:  # a look holds up the process that is looked at
                    most = max(most, service_mb(service.pid))
        time.sleep(_REST_S)
        after = service_mb(service.pid)
        rooms = sum(map(has_job, with_children(service.pid)))
        good_beside, bad_beside = Counter[str](), Counter[str]()
        left = sum(_killed(service, callers, good_beside, bad_beside) for _ in range(_KILLS))
    megabytes = (f"{value:.0f}" for value in (before, most, after))
    row = [name, _told(good), _told(bad), f"{slowest_ms():.0f}", *megabytes, str(rooms)]
    return [*row, _told(good_beside), _told(bad_beside), str(left)]


def _killed(service: Service, callers: _Callers, good: Counter[str], bad: Counter[str]) -> int:
    """How many processes of the service are left, a while after it was killed."""
    calls = callers.send(_MORE, good, bad)
    for _ in itertools.islice(calls, _SOME if service.keeps else _MORE):
        pass
    processes = with_children(service.pid)
    os.kill(service.pid, signal.SIGKILL)
    time.sleep(_GONE_S)
    left = sum(map(runs, processes))
    service.pid = service.again()
    for _ in calls:
        pass
    return left


def _told(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def _sending(url: str, cloud: Cloud | None) -> Callable[[bytes], str]:
    return partial(_upload, cloud, itertools.count()) if cloud else partial(_post, url)


def _upload(cloud: Cloud, numbers: Iterator[int], body: bytes) -> str:
    """Upload a picture, and wait for the blob that says how it ended."""
    name = f"{next(numbers)}.jpg"
    cloud.uploader.announce(cloud.uploader.upload(name, body))
    ends = {picture_name(name): "picture", error_name(name): "error"}
    for _ in range(int(_PATIENCE_S / _LOOK_S)):
        for blob, told in ends.items():
            if cloud.outputs.get_blob_client(blob).exists():
                return told
        time.sleep(_LOOK_S)
    return "nothing"


def _post(url: str, body: bytes) -> str:
    headers = {"Content-Type": "application/octet-stream"}
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        return str(client.post(SEGMENT_PATH, content=body, headers=headers).status_code)


@contextmanager
def _status_asked(url: str) -> Iterator[Callable[[], float]]:
    """Ask for /status again and again, in a process of its own: this one has other things to do.

    What is given returns the milliseconds of the slowest answer, afterwards.
    """
    context = multiprocessing.get_context("spawn")
    ended, slowest = context.Event(), context.Queue()
    asking = context.Process(target=_ask_status, args=(url, ended, slowest), daemon=True)
    asking.start()
    answers: list[float] = []
    try:
        yield lambda: 1000 * answers[0]
    finally:
        ended.set()
        answers.append(slowest.get(timeout=_PATIENCE_S))
        asking.join()


def _ask_status(url: str, ended: Event, slowest: "multiprocessing.Queue[float]") -> None:
    longest = 0.0
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while not ended.wait(0.02):
            begin = time.perf_counter()
            client.get("/status").raise_for_status()
            longest = max(longest, time.perf_counter() - begin)
    slowest.put(longest)
