"""The harness itself: what it serves, and that it leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functions_host import Instance, find_host, functions_host
from tests.functions_host.conftest import SETTINGS
from tests.functions_host.instance import NoHostError
from tests.support import loopback
from tests.support.campaign import some
from tests.support.hosts import PROJECT, environment
from tests.support.patience import wait_for


def test_host_serves_the_app(instance: Instance) -> None:
    assert loopback.get(instance.url + "/status").json()["status"] == "alive"
    assert len(instance.worker_pids) == 1


def test_packages_are_found_where_a_deployment_has_them(instance: Instance) -> None:
    (pid,) = instance.worker_pids
    mapped = Path(f"/proc/{pid}/maps").read_text()
    assert (instance.app / ".python_packages/lib/site-packages").is_dir()
    assert "numpy" in mapped


@pytest.mark.parametrize("killed", some(("both", "host", "worker"), 1))
def test_nothing_is_left_of_a_host_that_was_killed(killed: str, logs: Path, quick_app: Path) -> None:
    with functions_host(logs / f"killed {killed}.txt", SETTINGS, quick_app) as running:
        pids = (running.pid, *running.worker_pids)
        for pid in {"host": pids[:1], "worker": pids[1:], "both": pids}[killed]:
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of util-linux")
def test_nothing_is_left_when_the_harness_is_killed() -> None:
    command = [sys.executable, "-m", "tests.functions_host"]
    harness = subprocess.Popen(command, cwd=PROJECT, env=environment(SETTINGS), stdout=subprocess.PIPE)
    assert harness.stdout is not None
    with harness.stdout as told:
        assert b"http://127.0.0.1:" in told.readline()
        pids = descendants(harness.pid)
        harness.kill()
        harness.wait()
    assert len(pids) >= 3  # host, worker, zygote, and perhaps a spare room
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def descendants(pid: int) -> list[int]:
    """The processes that it has started, and those that they have."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for found in lists for child in found.read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def is_alive(pid: int) -> bool:
    """Whether the process runs, and is not one that has ended and was not yet reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_named_host_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="FUNCTIONS_HOST"):
        find_host({"FUNCTIONS_HOST": str(tmp_path)})


def test_without_a_host_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FUNCTIONS_HOST", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.functions_host.program.ARCHIVE", tmp_path / "none")
    with pytest.raises(NoHostError), functions_host(tmp_path / "log.txt", {}):
        pass
