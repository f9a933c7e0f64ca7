"""The folders a host is started on: the app as it is deployed, and the Python worker."""

import json
import shutil
import sys
import sysconfig
from importlib.metadata import files
from pathlib import Path

from grpc_tools import protoc

from tests.support.hosts import PROJECT

LEFT_OUT = {".git", ".venv", ".python_packages", "local.settings.json"}
_WORKER = Path(__file__).parent / "worker.py"
_PACKAGES = ("grpcio", "protobuf", "typing-extensions")
_CONFIG = {
    "description": {
        "language": "python",
        "defaultRuntimeVersion": "3.13",
        "supportedOperatingSystems": ["LINUX"],
        "supportedRuntimeVersions": ["3.13"],
        "supportedArchitectures": ["X64"],
        "extensions": [".py"],
        "arguments": ["-S"],
        "defaultWorkerPath": "%FUNCTIONS_WORKER_RUNTIME_VERSION%/{os}/{architecture}/worker.py",
        "workerIndexing": "true",
    },
    # The platform's; without them a worker that needs 10 s twice is never started again.
    "processOptions": {"initializationTimeout": "00:02:00", "environmentReloadTimeout": "00:02:00"},
}


def lay_out_app(app: Path, folder: Path) -> Path:
    """The app's folder as it is deployed: itself if it brings its packages, or links in `folder`.

    The packages then are those of this environment, and so they are for the project's own folder.
    """
    packages = Path(".python_packages", "lib", "site-packages")
    if (app / packages).is_dir() and app.resolve() != PROJECT:
        return app.resolve()
    folder.mkdir()
    for entry in app.resolve().iterdir():
        if entry.name not in LEFT_OUT:
            (folder / entry.name).symlink_to(entry)
    (folder / packages.parent).mkdir(parents=True)
    (folder / packages).symlink_to(sysconfig.get_path("purelib"))
    return folder


def lay_out_worker(protos: Path, folder: Path) -> Path:
    """A `languageWorkers:workersDirectory` with the Python worker and all it needs. Raises RuntimeError."""
    python = folder / "python"
    place = python / f"{sys.version_info.major}.{sys.version_info.minor}" / "LINUX" / "X64"
    place.mkdir(parents=True)
    (python / "worker.config.json").write_text(json.dumps(_CONFIG))
    shutil.copy(_WORKER, place)  # a link would make the folder of its target the first of sys.path
    for package in _PACKAGES:
        _link_package(package, place)
    google = files("grpcio-tools")
    well_known = Path(str(next(f for f in google or () if f.name == "empty.proto").locate())).parents[2]
    sources = sorted(str(path) for path in protos.rglob("*.proto"))
    options = [f"-I{protos}", f"-I{well_known}", f"--python_out={place}", f"--grpc_python_out={place}"]
    if protoc.main(["protoc", *options, *sources]):
        raise RuntimeError(f"the protos in {protos} do not compile")
    return folder


def _link_package(name: str, place: Path) -> None:
    """Link a package's modules; those in the namespace `google` one level down."""
    wanted = set()
    for file in files(name) or ():
        top = file.parts[0]
        if top == "..":
            continue
        wanted.add(Path(*file.parts[:2]) if top == "google" else Path(top))
    for path in wanted:
        if not path.name.endswith((".dist-info", ".egg-info")) and path.name != "__pycache__":
            (place / path).parent.mkdir(exist_ok=True)
            (place / path).symlink_to(Path(sysconfig.get_path("purelib")) / path)
