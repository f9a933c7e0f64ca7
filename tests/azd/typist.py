"""A laptop with nothing but what the pages ask for, and the answers of whoever types their commands there."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.azd.github import GitHub, play_github
from tests.azd.laptop import Laptop
from tests.azd.session import Answers, Session

BROWSER = Path(__file__).with_name("browser.py")
SAMPLE = Path("segment_function", "pages", "static", "sample-product.jpg")
ANSWERS: Answers = {
    "are you sure you want to continue": "y",
    "as default environment? (Y/n)": "y",
    "(or hit enter to use the default": "",
    "configure federated identity credential subjects?": "Use detected subjects (Recommended)",
    "commit and push your local changes": "y",
}
_BY_A_PERSON = (
    "AZD_AUTH_ENDPOINT",
    "AZD_AUTH_KEY",
    "AZURE_ENV_NAME",
    "AZURE_LOCATION",
)
"""What the rehearsal gives azd elsewhere, and a person by signing in and typing."""


def sit_down(laptop: Laptop, az: Path, **variables: str) -> Session:
    """A shell in the project's folder, with a browser, and nobody signed in yet."""
    _program(laptop.programs / "python3", sys.executable)
    _program(laptop.programs / "az", str(az))
    _program(laptop.programs / "browser", f"{sys.executable} {BROWSER}")
    known = {name: value for name, value in laptop.environment.items() if name not in _BY_A_PERSON}
    own = {
        "AZURE_CONFIG_DIR": str(laptop.folder / "az-config"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "BROWSER": str(laptop.programs / "browser"),
    }
    return Session(laptop.project, {**known, **own, **variables}, ANSWERS)


def with_history(laptop: Laptop) -> GitHub:
    """The clone has a remote, two commits, and a picture that is in none of them."""
    github = play_github(laptop.folder / "github", laptop.project)
    (laptop.project / "SUPPORT.md").write_text("A later commit.\n")
    for command in (("add", "SUPPORT.md"), ("commit", "--quiet", "--message", "Later")):
        subprocess.run(["git", "-C", str(laptop.project), *command], check=True)
    shutil.copy(laptop.project / SAMPLE, laptop.project / "photo.jpg")
    return github


def _program(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
