"""What is deployed: what is in it, and that it runs with nothing else on Microsoft's Functions host."""

import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cutout_function.names import png_name
from shared_code.errors import AccessDenied, ImageFormatInvalid, SegmentError
from tests.cutout_function.cloud import Cloud, new_cloud
from tests.functions_host import Instance, functions_host
from tests.functions_host.calls import wait_for
from tests.infra.package import install_requirements, make_package
from tests.support.hosts import KEYS
from tests.support.photos import encoded

pytestmark = pytest.mark.slow

MOST_MB = 64
"""What there is to upload and, at each cold start, to fetch. The platform takes up to 1 GB."""

TOP = {
    "LICENSE",
    "cutout_function",
    "function_app.py",
    "host.json",
    "models",
    "requirements.txt",
    "segment_function",
    "shared_code",
    "telemetry",
}
SEGMENT = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode="
PATIENCE_S = 120


@dataclass(frozen=True)
class Deployed:
    """The package on a host, with an account to take pictures from."""

    instance: Instance
    cloud: Cloud

    def segment(self, mode: str, content: bytes, key: str = KEYS[1]) -> httpx.Response:
        headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"}
        address = self.instance.url + SEGMENT + mode
        return httpx.post(address, content=content, headers=headers, trust_env=False, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "app.zip"
    make_package(path)
    return path


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployed")
    with zipfile.ZipFile(package) as content:
        content.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def installed(unpacked: Path) -> Path:
    done = install_requirements(unpacked)
    assert done.returncode == 0, done.stderr
    return unpacked


@pytest.fixture(scope="module")
def deployed(installed: Path, logs: Path, emulator: str) -> Iterator[Deployed]:
    cloud = new_cloud(emulator)
    settings = {**cloud.environment, "SEGMENT_API_KEY_1": KEYS[0], "SEGMENT_API_KEY_2": KEYS[1]}
    with functions_host(logs / "package.txt", settings, app=installed, storage=emulator) as instance:
        yield Deployed(instance, cloud)


def test_package_holds_the_app_and_nothing_else(package: Path) -> None:
    with zipfile.ZipFile(package) as content:
        names = content.namelist()
    assert {name.partition("/")[0] for name in names} == TOP
    assert [
        name for name in names if name.startswith("models/") and not name.startswith("models/built/")
    ] == []
    left_over = (".pyc", ".in", ".md", ".blob", "local.settings.json", "requirements-dev.txt")
    assert [name for name in names if name.endswith(left_over)] == []


def test_package_holds_the_networks_unaltered(unpacked: Path) -> None:
    catalogue = json.loads((unpacked / "models" / "built" / "networks.json").read_text())
    assert catalogue["default"] in catalogue["networks"]
    for network in catalogue["networks"].values():
        content = (unpacked / "models" / "built" / network["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == network["sha256"]


def test_package_is_small(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(package) as content:
        unpacked = sum(item.file_size for item in content.infolist())
    size = package.stat().st_size
    with capsys.disabled():
        sys.stdout.write(f"\npackage: {size / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB\n")
    assert size <= MOST_MB * 1e6


def test_requirements_are_installed_from_wheels(installed: Path) -> None:
    lines = (installed / "requirements.txt").read_text().splitlines()
    wanted = {normal(line.partition("==")[0]) for line in lines if "==" in line}
    packages = installed / ".python_packages" / "lib" / "site-packages"
    assert {normal(path.name.partition("-")[0]) for path in packages.glob("*.dist-info")} == wanted


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_is_ready(deployed: Deployed) -> None:
    answer = httpx.get(deployed.instance.url + "/ready", trust_env=False)
    assert answer.status_code == 200
    assert deployed.instance.app.joinpath(".python_packages").is_dir()


@pytest.mark.parametrize(("mode", "channels"), [("backgroundRemoval", "RGBA"), ("foregroundMatting", "L")])
def test_it_cuts_out(mode: str, channels: str, deployed: Deployed) -> None:
    answer = deployed.segment(mode, encoded("JPEG", 320, 240))
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    assert (image.format, image.mode, image.size) == ("PNG", channels, (320, 240))


@pytest.mark.parametrize(
    ("content", "key", "error"),
    [
        (b"not a picture", KEYS[0], ImageFormatInvalid()),
        (encoded("JPEG", 320, 240), "another", AccessDenied()),
    ],
)
def test_it_refuses_as_documented(content: bytes, key: str, error: SegmentError, deployed: Deployed) -> None:
    answer = deployed.segment("backgroundRemoval", content, key)
    assert (answer.status_code, answer.content) == (error.status, error.body())


def test_it_cuts_out_a_blob(deployed: Deployed) -> None:
    cloud = deployed.cloud
    cloud.uploader.announce(cloud.uploader.upload("photo.jpg", encoded("JPEG", 200, 150)))
    wait_for(lambda: png_name("photo.jpg") in cloud.written(), PATIENCE_S)
    image = Image.open(io.BytesIO(cloud.written()[png_name("photo.jpg")]))
    assert (image.mode, image.size) == ("RGBA", (200, 150))
