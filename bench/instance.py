"""Does an instance stay in its memory? Host and worker in a control group, under the load that takes most."""

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.photos import MEGAPIXELS, jpeg
from bench.processes import proportional_mb, with_children
from bench.report import Table
from bench.servers import SEGMENT_PATH
from shared_code.settings import load_settings
from tests.functions_host import HOW_TO_GET_ONE, Instance, find_host, functions_host
from tests.support.giants import GIANTS
from tests.support.hostile import HOSTILE

_GROUPS = Path("/sys/fs/cgroup/memory")
_SIZES_MB = (2048, 4096)
_NOT_FOR_PICTURES_MB = _SIZES_MB[0] - load_settings({}).memory_budget_mb
"""Of every size, as the templates have it."""
_MB_A_CORE = 2048
_CALLERS = 18
_ROUNDS = 3
_GIANTS = ("PNG with alpha", "JPEG", "progressive JPEG")
_LARGE_FILE = "JPEG, 4 000 Exif segments"
_BETWEEN_S = 0.05
_UNTIL_REST_S = 8
"""After that the engine has given back what pictures leave."""


def run() -> list[Table]:
    """A row for each size of instance; nothing where there is no host, or no control group can be made."""
    if find_host() is None:
        print(HOW_TO_GET_ONE)
        return []
    if not os.access(_GROUPS, os.W_OK):
        print("An instance's memory is measured by root, and with control groups of version 1.")
        return []
    note = (
        "The Functions host and its worker in a control group that has the memory of the instance, "
        "on as many cores: one or two; the worker's figure includes the processes that read its pictures. "
        f"{_CALLERS} callers at once, {_ROUNDS} pictures each: 12 and 256 megapixels, files of 19 MB. "
        "A caller who gets 429 retries after `Retry-After`; status 0 is no answer. Proportional set sizes in "
        "MB, sampled."
    )
    columns = (
        "instance",
        "budget",
        "host at rest",
        "worker at rest",
        "host, most",
        "worker, most",
        "both, most",
        "killed",
        "statuses",
    )
    return [Table("A whole instance", note, columns, [_row(size) for size in _SIZES_MB])]


def _row(instance_mb: int) -> list[str]:
    budget_mb = instance_mb - _NOT_FOR_PICTURES_MB
    settings = {
        "SEGMENT_ALLOW_ANONYMOUS": "true",
        "SEGMENT_MEMORY_BUDGET_MB": str(budget_mb),
        "SEGMENT_SLOT_WAIT_S": "20",
    }
    files = [jpeg(*MEGAPIXELS["12"]), *(GIANTS[name]() for name in _GIANTS), HOSTILE[_LARGE_FILE]()]
    sent = (files * _CALLERS * _ROUNDS)[: _CALLERS * _ROUNDS]
    with (
        TemporaryDirectory() as folder,
        _control_group(instance_mb) as group,
        _cores(instance_mb // _MB_A_CORE),
        functions_host(Path(folder) / "log.txt", settings) as instance,
        ThreadPoolExecutor(_CALLERS + 1) as callers,
    ):
        _leave()  # what the callers take is not the instance's
        until_answered = partial(_statuses, instance)
        until_answered(files[0])
        time.sleep(_UNTIL_REST_S)
        rest = _memory_mb(instance)
        ended = threading.Event()
        sampled = callers.submit(_most, instance, ended)
        statuses = Counter(chain.from_iterable(callers.map(until_answered, sent)))
        ended.set()
        most = sampled.result()
        killed = re.search(r"oom_kill (\d+)", (group / "memory.oom_control").read_text())
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    megabytes = [f"{value:.0f}" for value in (*rest, *most)]
    return [str(instance_mb), str(budget_mb), *megabytes, killed[1] if killed else "?", told]


@contextmanager
def _control_group(limit_mb: int) -> Iterator[Path]:
    """One that this process is in, and what it starts."""
    group = _GROUPS / f"segment-function-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(f"{limit_mb}M")
        with suppress(OSError):  # where swap is not accounted for
            (group / "memory.memsw.limit_in_bytes").write_text(f"{limit_mb}M")
        _enter(group)
        yield group
    finally:
        _leave()
        group.rmdir()


def _leave() -> None:
    _enter(_GROUPS)


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def _cores(count: int) -> Iterator[None]:
    """What this thread starts meanwhile has so many cores."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


def _most(instance: Instance, ended: threading.Event) -> tuple[float, float, float]:
    """The largest of many samples of host, worker, and both at once."""
    host = worker = both = 0.0
    while not ended.wait(_BETWEEN_S):
        now = _memory_mb(instance)
        host, worker, both = max(host, now[0]), max(worker, now[1]), max(both, sum(now))
    return host, worker, both


def _memory_mb(instance: Instance) -> tuple[float, float]:
    workers = (proportional_mb(pid) for worker in instance.worker_pids for pid in with_children(worker))
    return proportional_mb(instance.pid), sum(workers)


def _statuses(instance: Instance, picture: bytes) -> list[int]:
    """The statuses that one caller gets for a picture, which he sends again after each 429."""
    headers = {"Content-Type": "application/octet-stream"}
    url = instance.url + SEGMENT_PATH
    statuses: list[int] = []
    with httpx.Client(timeout=240, trust_env=False) as client:
        while not statuses or statuses[-1] == httpx.codes.TOO_MANY_REQUESTS:
            try:
                response = client.post(url, content=picture, headers=headers)
            except httpx.TransportError:  # the process was killed: what this is here to find
                return [*statuses, 0]
            statuses.append(response.status_code)
            time.sleep(int(response.headers.get("Retry-After", "0")))
    return statuses
