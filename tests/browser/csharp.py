"""Runs C# without a compiler of one's own: the Functions host compiles scripts."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.functions_host.program import HostFolder
from tests.support.hosts import environment, free_port, wait_until_up
from tests.support.patience import PATIENCE_S

_READY = "ready"
_BINDINGS = [
    {"authLevel": "anonymous", "name": "req", "type": "httpTrigger", "direction": "in", "methods": ["get"]},
    {"name": "$return", "type": "http", "direction": "out"},
]
_SCRIPT = """using System.IO;
using System.Net.Http;
%s
public static async Task<string> Run(HttpRequest req) {
    Directory.SetCurrentDirectory(%s);
    try {
%s
    } catch (Exception error) { return error.Message; }
    return "";
}
"""


@contextmanager
def csharp_programs(
    host: HostFolder, programs: Mapping[str, str], folder: Path, variables: Mapping[str, str]
) -> Iterator[str]:
    """Serve programs of top-level statements; each is run in `folder` by a GET of its name.

    Gives the URL. A run answers 200 with the message of the exception that ended it, if one did; a program
    that does not compile answers 500.
    """
    app = folder / "app"
    for name, program in {**programs, _READY: ""}.items():
        _write_function(app / name, program, folder)
    (app / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    port = free_port()
    settings = {
        "ASPNETCORE_URLS": f"http://127.0.0.1:{port}",
        "AzureFunctionsJobHost__Logging__Console__IsEnabled": "true",
        "AzureWebJobsScriptRoot": str(app),
        "AzureWebJobsSecretStorageType": "Files",
        "FUNCTIONS_SECRETS_PATH": str(folder / "secrets"),
        "FUNCTIONS_WORKER_RUNTIME": "dotnet",
    }
    inherited = {name: value for name, value in environment({}).items() if name != "CONTAINER_NAME"}
    with (folder / "host.txt").open("wb") as log:
        process = subprocess.Popen(
            [str(host.program)],
            cwd=folder,
            env=inherited | settings | dict(variables),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(f"{url}/{_READY}", process, folder / "host.txt", 200)
        yield url
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _write_function(function: Path, program: str, folder: Path) -> None:
    function.mkdir(parents=True)
    (function / "function.json").write_text(json.dumps({"bindings": _BINDINGS}))
    lines = program.splitlines()
    usings = [line for line in lines if line.startswith("using System")]
    rest = [line for line in lines if not line.startswith("using System")]
    script = _SCRIPT % ("\n".join(usings), json.dumps(str(folder)), "\n".join(rest))
    (function / "run.csx").write_text(script, encoding="utf-8")
