"""Where the Azure Developer CLI comes from: `AZD`, the archive beside the project, or the path."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.functions_host.program import cache
from tests.support.hosts import PROJECT

ARCHIVE = PROJECT.parent / "shared" / "tools" / "azd.tar.xz"
HOW_TO_GET_ONE = (
    "needs the Azure Developer CLI: install azd, so that it is on the path, or let AZD name the program "
    "(docs/deploy.md)"
)


def find_azd(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The first that there is. Raises FileNotFoundError when AZD names none."""
    named = environment.get("AZD")
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"AZD: there is no {named}")
        return Path(named).resolve()
    if ARCHIVE.is_file():
        return _unpacked(ARCHIVE)
    found = shutil.which("azd", path=environment.get("PATH"))
    return Path(found) if found else None


def _unpacked(archive: Path) -> Path:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    target = cache() / f"azd-{digest}"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as part, tarfile.open(archive) as packed:
            packed.extract("azd/azd", part, filter="data")
            Path(part, "azd", "azd").replace(target)
    return target
