"""Where the Functions host comes from: `FUNCTIONS_HOST`, Core Tools, or the archive beside the project."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.hosts import PROJECT

ARCHIVE = PROJECT.parent / "shared" / "tools" / "functions_host.tar.xz"
HOW_TO_GET_ONE = (
    "needs the Azure Functions host: install Azure Functions Core Tools, so that `func` is on the path, "
    "or let FUNCTIONS_HOST name a folder with host/, bundle/ and protos/ (docs/hosting.md)"
)


@dataclass(frozen=True)
class HostFolder:
    """The host alone, built from its sources: `host/`, a local extension `bundle/`, and its `protos/`."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "host" / "Microsoft.Azure.WebJobs.Script.WebHost"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def protos(self) -> Path:
        return self.folder / "protos"


@dataclass(frozen=True)
class CoreTools:
    """`func`, which brings the host and the Python worker's process."""

    program: Path


def find_host(environment: Mapping[str, str] = os.environ) -> HostFolder | CoreTools | None:
    """The first that there is. Raises FileNotFoundError when FUNCTIONS_HOST names no host."""
    named = environment.get("FUNCTIONS_HOST")
    if named:
        host = HostFolder(Path(named).resolve())
        if not host.program.is_file():
            raise FileNotFoundError(f"FUNCTIONS_HOST: there is no {host.program}")
        return host
    func = shutil.which("func", path=environment.get("PATH"))
    if func:
        return CoreTools(Path(func))
    return HostFolder(_unpacked(ARCHIVE)) if ARCHIVE.is_file() else None


def cache() -> Path:
    """The user's folder for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "segment-function"


def _unpacked(archive: Path) -> Path:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    target = cache() / f"functions-host-{digest}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as part, tarfile.open(archive) as packed:
            packed.extractall(part, filter="data")
            (folder,) = Path(part).iterdir()
            _moved(folder, target)
    return target


def _moved(folder: Path, target: Path) -> None:
    """Move, unless another process was faster."""
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
