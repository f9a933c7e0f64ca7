"""Build the networks before azd packs the folder, on a fresh clone too; needs Python 3.13 and nothing else.

Builds with `.venv`, if `make` has made it; otherwise with an environment of its own, beside this file.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
WANTED = (PROJECT / ".python-version").read_text().strip()
REQUIREMENTS = PROJECT / "requirements-dev.txt"


class HookError(Exception):
    """The networks cannot be built; the message says what to do."""


def main() -> int:
    """0 when every network of the manifest is built."""
    try:
        python = _python_with_the_builder()
    except HookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return subprocess.run([python, "-m", "model_build"], cwd=PROJECT).returncode


def _python_with_the_builder() -> Path:
    make_environment = PROJECT / ".venv"
    if (make_environment / "ready").is_file():
        return _python_of(make_environment)
    return _own_environment(Path(__file__).with_name("build_env"))


def _own_environment(folder: Path) -> Path:
    """The environment, made anew when the pins have changed. Raises HookError."""
    python, stamp = _python_of(folder), folder / "requirements.sha256"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        sys.stdout.write("Making an environment for the builder; this takes a minute, once.\n")
        _run([*_interpreter(), "-m", "venv", "--clear", str(folder)])
        # All is pinned. What other platforms need beside it, the builder does not.
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        _run([str(python), "-m", "pip", "install", *options, "-r", str(REQUIREMENTS)])
        stamp.write_text(digest)
    return python


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _interpreter() -> list[str]:
    """A command that starts the Python the project is for. Raises HookError."""
    candidates = ([sys.executable], [f"python{WANTED}"], ["py", f"-{WANTED}"], ["python3"], ["python"])
    for command in candidates:
        if shutil.which(command[0]) and _version_of(command) == WANTED:
            return command
    raise HookError(f"Building the network needs Python {WANTED}: install it, and have it on the path.")


def _version_of(command: list[str]) -> str:
    show = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([*command, "-c", show], capture_output=True, text=True)
    return done.stdout.strip()


def _run(command: list[str]) -> None:
    if subprocess.run(command).returncode:
        raise HookError(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
