"""Images built and run by Podman and runc, with what Debian has in place of the images that registries have.

No registry is asked. Where an image of the wanted name is not there, a minimal Debian with its own Python
takes its place, made by debootstrap; what the Dockerfile does on it is the same.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import loopback
from tests.support.hosts import PROJECT, free_port
from tests.support.patience import wait_for

PYTHON = "docker.io/library/python:3.13-slim"
FUNCTIONS = "mcr.microsoft.com/azure-functions/python:4-python3.13"

_DEBIAN = "trixie"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_ITS_PYTHON = "/usr/local/python"
_OURS = ("/etc/ssl/certs", "/etc/pip.conf")
"""Of this machine, for the build alone: they do not enter the image."""
_CPU_AND_MEMORY = ("--memory", "2g", "--cpus", "1")
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")


@dataclass(frozen=True)
class Container:
    """One that runs, in the network of this machine."""

    id: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> None:
        """Raises RuntimeError with its log when it ends, or does not become ready."""

        def is_ready() -> bool:
            if not self.state["Running"]:
                raise TimeoutError("it has ended")
            with suppress(httpx.TransportError):
                return loopback.get(self.url + "/ready").status_code == 200
            return False

        try:
            wait_for(is_ready)
        except TimeoutError as error:
            raise RuntimeError(f"the container did not become ready: {error}\n{self.log()}") from error

    @property
    def state(self) -> dict[str, Any]:
        """What Podman knows of it."""
        state: dict[str, Any] = json.loads(podman("inspect", "--format", "{{json .State}}", self.id).stdout)
        return state

    def wait_for_a_handler(self, number: signal.Signals) -> None:
        """Until its process 1 would hear the signal."""
        status = Path(f"/proc/{self.state['Pid']}/status")

        def is_caught() -> int:
            caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
            return int(caught.split()[1], 16) >> (number - 1) & 1

        wait_for(is_caught)

    def log(self) -> str:
        """All it has written."""
        done = podman("logs", self.id)
        return done.stdout + done.stderr

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return int(podman("wait", self.id).stdout)


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run it."""
    done = subprocess.run(["podman", "--runtime", "runc", *arguments], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"podman {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done


def base_image(folder: Path, name: str) -> None:
    """Have an image of this name; skips where there is neither one nor a way to make one."""
    missing = [program for program in ("podman", "runc") if shutil.which(program) is None]
    if sys.platform != "linux" or os.geteuid() != 0 or missing:
        pytest.skip("needs Linux, root, podman and runc")
    if podman("image", "exists", name, check=False).returncode:
        if name == PYTHON:
            _import_debian(folder / "root", name)
        else:
            base_image(folder, PYTHON)
            podman("tag", PYTHON, name)
    probe = run(PYTHON, "true")
    if probe.returncode:
        pytest.skip(f"no container runs here: {probe.stderr.strip()}")


def _import_debian(root: Path, name: str) -> None:
    if shutil.which("debootstrap") is None:
        pytest.skip(f"needs the image {name}, or debootstrap to make a substitute")
    made = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _DEBIAN, str(root)]
    done = subprocess.run(made, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"debootstrap made no Debian: {done.stdout[-500:]}")
    # Images of Python have one that pip may install into; Debian's own may not.
    subprocess.run(["chroot", root, "python3", "-m", "venv", _ITS_PYTHON], capture_output=True, check=True)
    path = f"--change=ENV PATH={_ITS_PYTHON}/bin:/usr/local/bin:/usr/bin:/bin"
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run(
            ["podman", "import", path, "-", name], stdin=packed.stdout, capture_output=True, check=True
        )
    shutil.rmtree(root)


def build(tag: str, target: str) -> None:
    """Build a target of the Dockerfile with the networks that were built already."""
    mounts = [f"--volume={path}:{path}:ro" for path in _OURS if Path(path).exists()]
    options = ("--isolation=chroot", "--network=host", "--format=docker", "--pull-never", *mounts)
    chosen = (f"--target={target}", "--build-arg=NETWORKS=prebuilt", f"--tag={tag}")
    podman("build", *options, *chosen, str(PROJECT))


def run(tag: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container of its own, without a network."""
    return podman("run", "--rm", "--network=none", *_LIMITS, *_CPU_AND_MEMORY, tag, *command, check=False)


@contextmanager
def container(tag: str, variables: Mapping[str, str]) -> Iterator[Container]:
    """Run it as compose.yaml does: nothing to write to, no capability, 2 GiB and one core."""
    port = free_port()
    rights = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    settings = [f"--env={name}={value}" for name, value in {**variables, "PORT": str(port)}.items()]
    options = ("--detach", "--network=host", *rights, *_LIMITS, *_CPU_AND_MEMORY, *settings)
    running = Container(podman("run", *options, tag).stdout.strip(), port)
    try:
        yield running
    finally:
        podman("rm", "--force", "--time=0", running.id)
