"""The wall around decoders on each host: no way out, no key inside, honest callers served, nothing left."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.hosts import KINDS, started
from tests.functions_host import Instance
from tests.support import loopback
from tests.support.faulty_app import make_faulty_app
from tests.support.faulty_zygote import marked
from tests.support.hosts import KEYS, Host
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.photos import encoded
from tests.support.rooms import at_work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="looks at processes in /proc"),
]
API = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"
SETTINGS = {"SEGMENT_API_KEYS": ",".join(KEYS), "SEGMENT_SLOT_WAIT_S": str(PATIENCE_S)}
AT_ONCE = 6
HEADERS = {"Ocp-Apim-Subscription-Key": KEYS[0], "Content-Type": "application/octet-stream"}
FAULTS = [
    (where, what) for where in ("plan", "picture") for what in ("crash", "abort", "spin", "bloat", "garbage")
]


@dataclass(frozen=True)
class Walled:
    """A host whose rooms do what files tell them."""

    host: Host
    service: int

    def post(self, data: bytes) -> int:
        return loopback.post(self.host.url + API, content=data, headers=HEADERS).status_code

    @property
    def zygote(self) -> int:
        (zygote,) = children(self.service)
        return zygote


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@contextmanager
def walled_host(kind: str, quick_app: Path, folder: Path) -> Iterator[Walled]:
    """A host that has answered once."""
    app = make_faulty_app(folder / "app", quick_app)
    with started(kind, folder / "log.txt", SETTINGS, app) as host:
        service = host.worker_pids[0] if isinstance(host, Instance) else host.pid
        found = Walled(host, service)
        assert found.post(encoded("JPEG", 90, 60)) == 200
        yield found


class Hosts:
    """A host of one kind, started again when a test has killed it."""

    def __init__(self, start: Callable[[], AbstractContextManager[Walled]]) -> None:
        self._start = start
        self._running = ExitStack()
        self._walled: Walled | None = None

    def living(self) -> Walled:
        """The one that runs, or a new one."""
        if self._walled is None or not alive(self._walled.service):
            self.close()
            self._walled = self._running.enter_context(self._start())
        return self._walled

    def close(self) -> None:
        """End it."""
        self._running.close()


@pytest.fixture(scope="module", params=KINDS)
def hosts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[Hosts]:
    found = Hosts(lambda: walled_host(request.param, quick_app, tmp_path_factory.mktemp("walled")))
    yield found
    found.close()


@pytest.fixture
def walled(hosts: Hosts) -> Walled:
    """A host that most tests share."""
    return hosts.living()


def test_no_way_out(walled: Walled) -> None:
    assert walled.post(marked("plan", "ways_out")) == 400
    found = wait_for(lambda: re.findall(r"ways out: ([^\r\n]*)", walled.host.log.read_text()))
    assert {one.strip().split('"')[0] for one in found} == {"none"}


def test_no_key_in_the_memory_that_rooms_are_made_of(walled: Walled) -> None:
    key = KEYS[0].encode()
    assert key in memory(walled.service)
    assert key not in memory(walled.zygote)
    assert b"SEGMENT" not in Path(f"/proc/{walled.zygote}/environ").read_bytes()


def memory(pid: int) -> bytes:
    """All that can be written in a process."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()  # type: ignore[union-attr]
            if rights.startswith("rw") and "[v" not in line:
                try:
                    file.seek(int(begin, 16))
                    found.append(file.read(int(end, 16) - int(begin, 16)))
                except OSError:
                    continue
    return b"".join(found)


@pytest.mark.parametrize("requests", [10, pytest.param(60, marks=pytest.mark.campaign)])
def test_honest_callers_are_served_beside_a_fifth_of_faults(walled: Walled, requests: int) -> None:
    honest = [encoded(form, 120, 90) for form in ("JPEG", "PNG", "WEBP", "TIFF")]
    assert walled.post(honest[0]) == 200
    faulty = iter(FAULTS * requests)
    bodies = [
        (400, marked(*next(faulty))) if number % 5 == 2 else (200, honest[number % 4])
        for number in range(requests)
    ]
    with ThreadPoolExecutor(AT_ONCE) as callers:
        answers = list(callers.map(lambda body: (body[0], walled.post(body[1])), bodies))
    assert Counter(answers) == {(200, 200): requests * 4 // 5, (400, 400): requests // 5}
    wait_for(lambda: not at_work(walled.zygote))


def test_nothing_is_left_behind_by_a_service_that_is_killed(walled: Walled) -> None:
    zygote = walled.zygote
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(walled.post, marked("picture", "sleep"))
        wait_for(lambda: at_work(zygote))
        rooms = children(zygote)
        os.kill(walled.service, signal.SIGKILL)
        asked.exception()
    wait_for(lambda: not any(alive(pid) for pid in (zygote, *rooms)))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state not in "ZX"
