"""Does an instance stay in its memory? Host and worker in a control group, under the load that takes most."""

import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.photos import MEGAPIXELS, jpeg
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
_CALLERS = 18
_ROUNDS = 3
_GIANTS = ("PNG with alpha", "JPEG", "progressive JPEG")
_LARGE_FILE = "JPEG, 4 000 Exif segments"
_BETWEEN_S = 0.05


def run() -> list[Table]:
    """A row for each size of instance; nothing where there is no host, or no control group can be made."""
    if find_host() is None:
        print(HOW_TO_GET_ONE)
        return []
    if not os.access(_GROUPS, os.W_OK):
        print("An instance's memory is measured by root, and with control groups of version 1.")
        return []
    note = (
        "The Functions host and its worker in a control group that has the memory of the instance. "
        f"{_CALLERS} callers at once, {_ROUNDS} pictures each: 12 and 256 megapixels, files of 19 MB. "
        "Proportional set sizes in MB, sampled while that goes on."
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
        "SEGMENT_SLOT_WAIT_S": "60",
    }
    files = [jpeg(*MEGAPIXELS["12"]), *(GIANTS[name]() for name in _GIANTS), HOSTILE[_LARGE_FILE]()]
    sent = (files * _CALLERS * _ROUNDS)[: _CALLERS * _ROUNDS]
    with (
        TemporaryDirectory() as folder,
        _control_group(instance_mb) as group,
        functions_host(Path(folder) / "log.txt", settings) as instance,
        ThreadPoolExecutor(_CALLERS + 1) as callers,
    ):
        _enter(_GROUPS)  # the memory of the callers is not the instance's
        status = partial(_status, instance)
        status(files[0])
        rest = _memory_mb(instance)
        ended = threading.Event()
        sampled = callers.submit(_most, instance, ended)
        statuses = Counter(callers.map(status, sent))
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
        _enter(_GROUPS)
        group.rmdir()


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _most(instance: Instance, ended: threading.Event) -> tuple[float, float, float]:
    """The largest of many samples of host, worker, and both at once."""
    host = worker = both = 0.0
    while not ended.wait(_BETWEEN_S):
        now = _memory_mb(instance)
        host, worker, both = max(host, now[0]), max(worker, now[1]), max(both, sum(now))
    return host, worker, both


def _memory_mb(instance: Instance) -> tuple[float, float]:
    return _proportional_mb(instance.pid), sum(_proportional_mb(pid) for pid in instance.worker_pids)


def _proportional_mb(pid: int) -> float:
    """Memory of a process, pages that it shares counted in parts, in MB (2**20)."""
    found = re.search(r"Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _status(instance: Instance, picture: bytes) -> int:
    headers = {"Content-Type": "application/octet-stream"}
    url = instance.url + SEGMENT_PATH
    return httpx.post(url, content=picture, headers=headers, timeout=240, trust_env=False).status_code
