"""What `pip install .` brings: the client, and nothing of the service."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.hosts import KEYS, PROJECT, Host, environment
from tests.support.photos import encoded

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


def test_it_runs_in_an_empty_environment(wheel: Path, small_host: Host, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    subprocess.run([*UV, "venv", "--python", sys.executable, str(place)], check=True)
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

    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", 64, 60))
    program = python.with_name("segment-client")
    variables = environment({"SEGMENT_KEY": KEYS[0], "SEGMENT_ENDPOINT": small_host.url, "NO_PROXY": "*"})
    shown = subprocess.run([program, "--help"], env=variables, cwd=tmp_path, capture_output=True, check=True)
    assert b"cutouts" in shown.stdout
    for start in ([program], [python, "-m", "segment_client"]):
        done = subprocess.run(
            [
                *start,
                "cutouts",
                "a.jpg",
                "--out",
                "cut",
                "--force",
                "--format",
                "webp",
                "--background",
                "#fff",
            ],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "cut" / "a.jpg.webp").read_bytes()[8:12] == b"WEBP"
