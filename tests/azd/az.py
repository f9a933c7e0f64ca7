"""The Azure CLI, which is a package: in an environment of its own in the user's cache, from its own pins.

`python -m tests.azd.az` installs it; `make az` does so.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.functions_host.program import cache
from tests.support.hosts import PROJECT

REQUIREMENTS = PROJECT / "tests" / "az" / "requirements.txt"
HOW_TO_GET_ONE = "needs the Azure CLI in an environment of its own: make az"


def folder() -> Path:
    """Where the environment for these pins is, or would be."""
    return cache() / f"az-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"


def find_az() -> Path | None:
    """The program, when it was installed to its end."""
    made = folder()
    return made / "bin" / "az" if (made / "ready").is_file() else None


def install() -> None:
    """Raises CalledProcessError where a package cannot be had."""
    made = folder()
    if (made / "ready").is_file():
        return
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(made)], check=True)
    options = ["--quiet", "--python", str(made / "bin" / "python"), "--require-hashes"]
    subprocess.run([*uv, "pip", "install", *options, "-r", str(REQUIREMENTS)], check=True)
    (made / "ready").touch()


if __name__ == "__main__":
    install()
