"""The two servers that are compared: rembg's own, in an environment of its own, and this project's."""

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from model_build.fetch import verified_weights
from model_build.manifest import load_manifest
from tests.functions_host import functions_host
from tests.support.hosts import embedded_host, free_port

_HERE = Path(__file__).parent
_REMBG_VENV = _HERE / ".rembg"
_REMBG_REQUIREMENTS = _HERE / "rembg.txt"
SEGMENT_PATH = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"
_SETTINGS = {"SEGMENT_ALLOW_ANONYMOUS": "true", "SEGMENT_SLOT_WAIT_S": "120"}


@dataclass(frozen=True)
class Server:
    """A running server and how a picture is sent to it."""

    name: str
    pid: int
    client: httpx.Client
    path: str
    form: bool

    def cut_out(self, jpeg: bytes) -> bytes:
        """The PNG for a picture; raises for any status but 2xx."""
        if self.form:
            files = {"file": ("photo.jpg", jpeg, "image/jpeg")}
            response = self.client.post(self.path, files=files, data={"model": "u2net"})
        else:
            response = self.client.post(
                self.path, content=jpeg, headers={"Content-Type": "application/octet-stream"}
            )
        return response.raise_for_status().content


@contextmanager
def both() -> Iterator[tuple[Server, Server]]:
    """rembg's server and ours, both warm."""
    with ExitStack() as stack:
        yield stack.enter_context(rembg()), stack.enter_context(ours())


@contextmanager
def ours() -> Iterator[Server]:
    """The embedded host with default settings, but for a wait that no benchmark reaches."""
    with (
        TemporaryDirectory() as folder,
        embedded_host(Path(folder) / "log.txt", _SETTINGS) as host,
        _client(host.url) as client,
    ):
        yield Server("segment-function", host.pid, client, SEGMENT_PATH, form=False)


@contextmanager
def ours_on_functions_host() -> Iterator[Server]:
    """The Functions host with the same settings; the process is its worker. Raises NoHostError."""
    with (
        TemporaryDirectory() as folder,
        functions_host(Path(folder) / "log.txt", _SETTINGS) as host,
        _client(host.url) as client,
    ):
        (worker,) = host.worker_pids
        yield Server("Functions host", worker, client, SEGMENT_PATH, form=False)


@contextmanager
def rembg() -> Iterator[Server]:
    """`rembg s` with the same weights that our network is quantized from."""
    if not (_REMBG_VENV / "ready").exists():
        print("installing rembg into an environment of its own ...", flush=True)
        venv.create(_REMBG_VENV, clear=True, with_pip=True)
        pip = [str(_REMBG_VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
        subprocess.run([*pip, "-r", str(_REMBG_REQUIREMENTS)], check=True)
        (_REMBG_VENV / "ready").touch()
    port = free_port()
    weights = verified_weights(load_manifest().networks["u2net"])
    with TemporaryDirectory() as home:
        (Path(home) / "u2net.onnx").symlink_to(weights)
        command = [str(_REMBG_VENV / "bin/rembg"), "s", "--no-ui", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(
            [*command, "-l", "warning"], env=os.environ | {"U2NET_HOME": home}, stdout=sys.stderr
        )
        try:
            with _client(f"http://127.0.0.1:{port}") as client:
                _wait(client, process)
                yield Server("rembg", process.pid, client, "/api/remove", form=True)
        finally:
            process.terminate()
            process.wait(20)


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=120, trust_env=False)


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1500):
        if process.poll() is not None:
            raise RuntimeError("rembg's server ended")
        try:
            client.get("/")
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError("rembg's server does not answer")
