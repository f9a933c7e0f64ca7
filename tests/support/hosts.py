"""Hosts under test: real processes that serve the functions on a real socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import loopback
from tests.support.patience import PATIENCE_S, wait_for

PROJECT = Path(__file__).parents[2]
KEYS = ("first-key-for-tests", "second-key-for-tests")


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
        wait_until_ready(host, process, ready_status)
        yield host


@contextmanager
def watched_host(log: Path, beats: Path, settings: Mapping[str, str]) -> Iterator[Host]:
    """The same with an event loop that is watched: `beats` is as tests.support.heartbeat says."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.heartbeat", str(beats)]
    with _running(command, PROJECT, environment(settings) | {"PORT": str(port)}, log) as process:
        host = Host(port, process.pid, log)
        wait_until_ready(host, process, 200)
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
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(host: Host, process: subprocess.Popen[bytes], status: int) -> None:
    """Until /ready answers with that status. Raises RuntimeError with the end of the log."""
    wait_until_up(host.url + "/ready", process, host.log, status)


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path, status: int | None = None) -> None:
    """Until a GET is answered, with that status if one is given. Raises RuntimeError with the log's end."""

    def is_up() -> bool:
        if process.poll() is not None:
            raise TimeoutError("it has ended")
        with suppress(httpx.TransportError):
            return loopback.get(url).status_code == status or status is None
        return False

    try:
        wait_for(is_up)
    except TimeoutError as error:
        raise RuntimeError(f"no answer of {url}: {error}\n{log.read_text()[-8000:]}") from error


def has_ended(pid: int) -> bool:
    """Whether a child has ended by now; it is left to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def ends_by_itself(pid: int) -> bool:
    """Whether a child ends without a further signal; it is left to be waited for."""
    with suppress(TimeoutError):
        return wait_for(lambda: has_ended(pid))
    return False
