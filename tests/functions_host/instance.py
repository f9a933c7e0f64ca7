"""One running Functions host with its worker."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.functions_host.layout import lay_out_app, lay_out_worker
from tests.functions_host.program import CoreTools, HostFolder, find_host
from tests.support.hosts import PROJECT, Host, environment, free_port, wait_until_ready
from tests.support.patience import PATIENCE_S

STORAGE = "AzureWebJobsStorage"
_SETPRIV = shutil.which("setpriv")
_WITH_THIS_PROCESS = [_SETPRIV, "--pdeathsig", "TERM", "--"] if _SETPRIV else []
"""Before a command: it is ended when this process is, even by a signal that leaves it no time to do so."""
_NOT_INHERITED = ("CONTAINER_NAME", "PYTHONPATH", "PYTHONHOME")
"""With the first, host and worker take themselves to be in Azure."""


class NoHostError(RuntimeError):
    """There is no Functions host on this machine."""


@dataclass(frozen=True)
class Instance(Host):
    """Where it listens; `pid` is the host's. `app` is the folder it serves."""

    app: Path

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The Python workers that run now."""
        children: list[int] = []
        for task in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with suppress(OSError):  # the thread has ended
                children += map(int, task.read_text().split())
        return tuple(sorted(children))


@contextmanager
def functions_host(
    log: Path,
    settings: Mapping[str, str],
    app: Path = PROJECT,
    ready_status: int | None = 200,
    *,
    storage: str | None = None,
    port: int | None = None,
) -> Iterator[Instance]:
    """The host with these app settings on a free port; gives it when `/ready` answers with `ready_status`.

    ready_status: None gives it at once, since it may end itself before it has answered.
    storage: connection string of the host's own storage account, which triggers other than HTTP need.

    Everything is ended afterwards, whatever has been killed. Raises NoHostError; RuntimeError with the end of
    the log when the host does not start.
    """
    program = find_host()
    if program is None:
        raise NoHostError
    port = port or free_port()
    with TemporaryDirectory(prefix="functions-host-") as temporary:
        folder = Path(temporary)
        served = lay_out_app(app, folder / "app")
        command, variables = _start_of(program, served, folder, port)
        variables |= {STORAGE: storage} if storage else {}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_WITH_THIS_PROCESS, *command],
                cwd=served if isinstance(program, CoreTools) else folder,
                env=_inherited() | variables | dict(settings),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            instance = Instance(port, process.pid, log, served)
            if ready_status is not None:
                wait_until_ready(instance, process, ready_status)
            yield instance
        finally:
            _end(process)


def _inherited() -> dict[str, str]:
    return {key: value for key, value in environment({}).items() if key not in _NOT_INHERITED}


def _start_of(
    program: HostFolder | CoreTools, app: Path, folder: Path, port: int
) -> tuple[list[str], dict[str, str]]:
    """Command and environment, without the app's own settings."""
    for name in ("tmp", "secrets"):
        (folder / name).mkdir()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    variables = {
        "AzureFunctionsJobHost__Logging__Console__IsEnabled": "true",
        "AzureWebJobsSecretStorageType": "Files",
        "FUNCTIONS_SECRETS_PATH": str(folder / "secrets"),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_WORKER_RUNTIME_VERSION": version,
        "TMPDIR": str(folder / "tmp"),
    }
    if isinstance(program, CoreTools):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables |= {"PATH": path, "VIRTUAL_ENV": sys.prefix}
        return [str(program.program), "start", "--port", str(port)], variables
    return [str(program.program)], variables | {
        "ASPNETCORE_URLS": f"http://127.0.0.1:{port}",
        "AzureFunctionsJobHost__extensionBundle__downloadPath": str(program.bundle),
        "AzureWebJobsScriptRoot": str(app),
        "PYTHON_ENABLE_INIT_INDEXING": "1",
        "languageWorkers__python__defaultExecutablePath": sys.executable,
        "languageWorkers__workersDirectory": str(lay_out_worker(program.protos, folder / "workers")),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM lets running calls end; what is left of the process group then is killed."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
