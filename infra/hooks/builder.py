"""The Python that builds networks and package: `.venv`, if `make` has made it, or one beside this file."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
WANTED = (PROJECT / ".python-version").read_text().strip()
_REQUIREMENTS = PROJECT / "requirements-dev.txt"


class HookError(Exception):
    """The hook cannot go on; the message says what to do."""


def status_of(work: Callable[[], None]) -> int:
    """Run `work` and return the hook's exit status: 0, or 1 after printing the message of a HookError."""
    try:
        work()
    except HookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def builder() -> Path:
    """An interpreter of the app's version, with all of requirements-dev.txt. Raises HookError."""
    made_by_make = PROJECT / ".venv"
    if (made_by_make / "ready").is_file():
        return _python_of(made_by_make)
    return _own_environment(Path(__file__).with_name("build_env"))


def run(command: list[str]) -> None:
    """Run a command in the project's folder. Raises HookError."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    if subprocess.run(command, cwd=PROJECT, env=environment).returncode:
        raise HookError(f"failed: {' '.join(command)}")


def _own_environment(folder: Path) -> Path:
    """Its interpreter; the environment is made again if the pins have changed. Raises HookError."""
    python, stamp = _python_of(folder), folder / "requirements.sha256"
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        interpreter = _interpreter()
        if (platform.system(), platform.machine()) == ("Darwin", "x86_64"):
            raise HookError(
                "onnxruntime has no package for a Mac with an Intel processor: deploy from a container."
            )
        sys.stdout.write("Making an environment for the builder; this takes a minute, once.\n")
        run([*interpreter, "-m", "venv", "--clear", str(folder)])
        # All is pinned. What other platforms need beside it, the builder does not.
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        run([str(python), "-m", "pip", "install", *options, "-r", str(_REQUIREMENTS)])
        stamp.write_text(digest)
    return python


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _interpreter() -> list[str]:
    """A command that starts the project's version of Python. Raises HookError."""
    candidates = ([sys.executable], [f"python{WANTED}"], ["py", f"-{WANTED}"], ["python3"], ["python"])
    for command in candidates:
        if shutil.which(command[0]) and _version_of(command) == WANTED:
            return command
    raise HookError(f"Building the package needs Python {WANTED}: install it, and have it on the path.")


def _version_of(command: list[str]) -> str:
    show = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([*command, "-c", show], capture_output=True, text=True)
    return done.stdout.strip()
