"""Hosts under test: real processes that serve the functions on a real socket."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.loopback import NO_TLS

PROJECT = Path(__file__).parents[2]
KEYS = ("first-key-for-tests", "second-key-for-tests")
_START_S = 60
_END_S = 10


@dataclass(frozen=True)
class Host:
    """A running host: where it listens, and which process it is."""

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without the service's own settings, and `settings`."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_", "CUTOUT_"))}
    return {**clean, **settings}


@contextmanager
def embedded_host(
    log: Path, settings: Mapping[str, str], app: Path = PROJECT, ready_status: int = 200
) -> Iterator[Host]:
    """`python -m local_host` with these settings, stopped at the end; waits for that status of /ready."""
    with embedded_host_at(free_port(), log, settings, app, ready_status) as host:
        yield host


@contextmanager
def embedded_host_at(
    port: int, log: Path, settings: Mapping[str, str], app: Path = PROJECT, ready_status: int = 200
) -> Iterator[Host]:
    """The same on a port of the caller's choice, so that it can come back after its end."""
    variables = environment(settings) | {"PORT": str(port)}
    with _running([sys.executable, "-m", "local_host"], app, variables, log) as process:
        host = Host(port, process.pid, log)
        wait_until_ready(host, process, ready_status, _START_S)
        yield host


@contextmanager
def watched_host(log: Path, beats: Path, settings: Mapping[str, str]) -> Iterator[Host]:
    """The same with an event loop that is watched: `beats` is as tests.support.heartbeat says."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.heartbeat", str(beats)]
    with _running(command, PROJECT, environment(settings) | {"PORT": str(port)}, log) as process:
        host = Host(port, process.pid, log)
        wait_until_ready(host, process, 200, _START_S)
        yield host


@contextmanager
def _running(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(host: Host, process: subprocess.Popen[bytes], status: int, patience_s: float) -> None:
    """Until /ready answers with that status. Raises RuntimeError with the end of the log."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(host.url + "/ready", trust_env=False, verify=NO_TLS).status_code == status:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the host did not become ready:\n{host.log.read_text()[-8000:]}")


def has_ended(pid: int) -> bool:
    """Whether a child has ended by now; it is left to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def ends_in_time(pid: int) -> bool:
    """Whether a child ends in the 10 s that are promised; it is left to be waited for."""
    end = time.monotonic() + _END_S
    while time.monotonic() < end:
        if has_ended(pid):
            return True
        time.sleep(0.05)
    return False
