"""What `pip install .` brings: the client, and nothing of the service."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from segment_client import __version__
from tests.support.hosts import KEYS, PROJECT, Host, environment
from tests.support.patience import wait_for
from tests.support.small_host import make_pictures

UV = [sys.executable, "-m", "uv", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [
        *UV,
        "build",
        "--wheel",
        "--no-build-isolation",
        "--offline",
        "--out-dir",
        str(out),
        str(PROJECT),
    ]
    subprocess.run([*command, "--python", sys.executable], check=True)
    [built] = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_the_client_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.partition("/")[0] for name in names}
    assert packages == {"segment_client", f"{wheel.name.split('-')[0]}-{wheel.name.split('-')[1]}.dist-info"}
    modules = {name for name in names if name.startswith("segment_client/")}
    assert modules == {
        path.relative_to(PROJECT).as_posix() for path in (PROJECT / "segment_client").glob("*.py")
    }


def oldest_python() -> str:
    """The oldest Python that the client promises to run on, where it is at hand."""
    found = subprocess.run(
        [*UV, "python", "find", "--no-python-downloads", "3.11"], capture_output=True, text=True
    )
    if found.returncode:
        pytest.skip("needs Python 3.11")
    return found.stdout.strip()


@pytest.mark.parametrize("find_python", [lambda: sys.executable, oldest_python], ids=["this", "oldest"])
def test_it_runs_in_an_empty_environment(
    wheel: Path, host: Host, tmp_path: Path, find_python: Callable[[], str]
) -> None:
    place = tmp_path / "venv"
    subprocess.run([*UV, "venv", "--python", find_python(), str(place)], check=True)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pins = ["--constraints", str(PROJECT / "requirements-dev.txt")]
    installed = subprocess.run(
        [*UV, "pip", "install", "--python", str(python), *pins, str(wheel)], capture_output=True, text=True
    )
    if "error sending request" in installed.stderr or "Failed to fetch" in installed.stderr:
        pytest.skip("needs a package index")
    assert installed.returncode == 0, installed.stderr
    listed = subprocess.run(
        [*UV, "pip", "list", "--python", str(python)], capture_output=True, text=True, check=True
    ).stdout
    assert not {"numpy", "onnxruntime", "azure-functions", "starlette"} & set(listed.split())

    folder = make_pictures(tmp_path / "photos", 4).folder
    Image.new("RGB", (30, 20), "blue").save(tmp_path / "ground.png")
    program = python.with_name("segment-client")
    variables = environment({"SEGMENT_KEY": KEYS[0], "SEGMENT_ENDPOINT": host.url, "NO_PROXY": "*"})

    def run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True)

    assert run(program, "--version").stdout.decode() == f"segment-client {__version__}\n"
    for start in ([program], [python, "-m", "segment_client"]):
        look = ("--format", "webp", "--background", "ground.png", "--quality", "70")
        done = run(*start, "cutouts", folder, "--out", "cut", *look, "--report", "report.csv")
        assert done.returncode == 0, done.stderr
        assert b"4 cut out" in done.stderr if start == [program] else b"4 already there" in done.stderr
    made = [path for path in (tmp_path / "cut").rglob("*.webp") if path.read_bytes()[8:12] == b"WEBP"]
    assert len(made) == 4
    watching = subprocess.Popen(
        [program, "cutouts", folder, "--out", "new", "--watch"], env=variables, cwd=tmp_path
    )
    with watching:
        made_anew = (tmp_path / "new").rglob
        wait_for(lambda: len(list(made_anew("*.png"))) == 4 or watching.poll() is not None)
        assert watching.poll() is None
        watching.terminate()
    assert watching.returncode == 0
