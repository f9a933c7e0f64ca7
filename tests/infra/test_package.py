"""What is deployed: what is in it, and that it runs with nothing else on Microsoft's Functions host."""

import hashlib
import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cutout_function.names import picture_name
from shared_code.errors import AccessDenied, ImageFormatInvalid, SegmentError
from tests.cutout_function.cloud import Cloud, new_cloud
from tests.functions_host import Instance, functions_host
from tests.infra.package import PACKAGES, clone, make_package, run_hook
from tests.support import loopback
from tests.support.hosts import KEYS, PROJECT
from tests.support.patience import wait_for
from tests.support.photos import encoded

pytestmark = pytest.mark.slow

MOST_MB, MOST_UNPACKED_MB = 105, 240
"""What there is to upload and, at each cold start, to fetch. The platform takes up to 1 GB."""
HASH_BASED, CHECKED = 0b01, 0b10
"""Flags of bytecode files, https://peps.python.org/pep-0552/."""
OLDEST_GLIBC = (2, 28)

TOP = {
    ".python_packages",
    "LICENSE",
    "THIRD_PARTY.md",
    "__pycache__",
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


@dataclass(frozen=True)
class Deployed:
    """The package on a host, with an account to take pictures from."""

    instance: Instance
    cloud: Cloud

    def segment(self, mode: str, content: bytes, key: str = KEYS[1]) -> httpx.Response:
        headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"}
        address = self.instance.url + SEGMENT + mode
        return loopback.post(address, content=content, headers=headers)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which azd's hook has run."""
    if not (PROJECT / ".venv" / "ready").is_file():
        pytest.skip("needs the environment that make makes, .venv")
    folder = tmp_path_factory.mktemp("clone") / "segment-function"
    clone(folder)
    done = run_hook(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def package(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "app.zip"
    make_package(project, path)
    return path


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployed")
    with zipfile.ZipFile(package) as content:
        content.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def deployed(unpacked: Path, logs: Path, emulator: str) -> Iterator[Deployed]:
    cloud = new_cloud(emulator)
    # Where a package is deployed nothing can be written.
    settings = {
        **cloud.environment,
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEGMENT_API_KEY_1": KEYS[0],
        "SEGMENT_API_KEY_2": KEYS[1],
    }
    with functions_host(logs / "package.txt", settings, app=unpacked, storage=emulator) as instance:
        yield Deployed(instance, cloud)


def test_package_holds_the_app_and_nothing_else(package: Path) -> None:
    with zipfile.ZipFile(package) as content:
        names = content.namelist()
    assert {name.partition("/")[0] for name in names} == TOP
    assert [
        name for name in names if name.startswith("models/") and not name.startswith("models/built/")
    ] == []
    own = [name for name in names if not name.startswith(".python_packages/")]
    left_over = (".in", ".md", ".blob", "local.settings.json", "requirements-dev.txt", ".sha256")
    assert [name for name in own if name.endswith(left_over)] == ["THIRD_PARTY.md"]
    assert not [name for name in names if "made-from" in name]


def test_package_holds_the_networks_unaltered(unpacked: Path) -> None:
    catalogue = json.loads((unpacked / "models" / "built" / "networks.json").read_text())
    assert catalogue["default"] in catalogue["networks"]
    for network in catalogue["networks"].values():
        content = (unpacked / "models" / "built" / network["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == network["sha256"]


def test_package_is_small(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(package) as content:
        unpacked = sum(item.file_size for item in content.infolist())
        parts: Counter[str] = Counter()
        for item in content.infolist():
            parts[part_of(item.filename)] += item.compress_size
    size = package.stat().st_size
    told = ", ".join(f"{name} {part / 1e6:.1f}" for name, part in parts.most_common())
    with capsys.disabled():
        sys.stdout.write(
            f"\npackage: {size / 1e6:.1f} MB of at most {MOST_MB}, "
            f"unpacked {unpacked / 1e6:.1f} MB of at most {MOST_UNPACKED_MB} ({told})\n"
        )
    assert size <= MOST_MB * 1e6
    assert unpacked <= MOST_UNPACKED_MB * 1e6


def part_of(name: str) -> str:
    """What a file of the package is, in few words."""
    if "/__pycache__/" in name or name.startswith("__pycache__"):
        return "bytecode"
    if name.startswith(".python_packages/"):
        top = name.removeprefix(".python_packages/lib/site-packages/").partition("/")[0]
        large = ("onnxruntime", "numpy", "PIL", "pillow.libs", "cryptography")
        return next((one for one in large if top.startswith(one)), "other packages")
    return "networks" if name.startswith("models/") else "app"


def test_requirements_are_there_and_nothing_else(unpacked: Path) -> None:
    lines = (unpacked / "requirements.txt").read_text().splitlines()
    wanted = {normal(line.partition("==")[0]) for line in lines if "==" in line}
    found = {normal(path.name.partition("-")[0]) for path in (unpacked / PACKAGES).glob("*.dist-info")}
    assert found == wanted


def test_packages_are_those_of_the_platform(unpacked: Path) -> None:
    """Whatever machine has made the package: Linux on x86-64 with this glibc or an older one, Python 3.13."""
    python = f"cp{(PROJECT / '.python-version').read_text().strip().replace('.', '')}"
    wheels = list((unpacked / PACKAGES).glob("*.dist-info/WHEEL"))
    assert wheels
    for wheel in wheels:
        tags = re.findall(r"^Tag: (\S+)-(\S+)-(\S+)$", wheel.read_text(), re.M)
        assert any(runs(tag, python) for tag in tags), f"{wheel.parent.name}: {tags}"


def runs(tag: tuple[str, str, str], python: str) -> bool:
    """Whether a wheel with this tag runs there."""
    of, abi, platform = tag
    glibc = re.fullmatch(r"manylinux_(\d+)_(\d+)_x86_64", platform)
    fits = platform in ("any", "manylinux2014_x86_64", "manylinux1_x86_64", "manylinux2010_x86_64") or (
        glibc is not None and (int(glibc[1]), int(glibc[2])) <= OLDEST_GLIBC
    )
    return fits and (of in (python, "py3") or abi == "abi3")


def test_every_module_brings_its_bytecode(unpacked: Path) -> None:
    """By the hash of its source, so that no file time matters; the app's own looks whether it has changed."""
    version = f"cpython-{(PROJECT / '.python-version').read_text().strip().replace('.', '')}"
    modules = list(unpacked.rglob("*.py"))
    assert len(modules) > 1000
    for module in modules:
        compiled = module.parent / "__pycache__" / f"{module.stem}.{version}.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        is_own = PACKAGES not in [Path(*module.relative_to(unpacked).parts[: len(PACKAGES.parts)])]
        assert flags == (HASH_BASED | CHECKED if is_own else HASH_BASED), compiled
    assert len(list(unpacked.rglob("*.pyc"))) == len(modules)


def test_second_run_of_the_hook_installs_nothing(project: Path) -> None:
    stamp = project / ".python_packages" / "made-from.sha256"
    before = stamp.stat().st_mtime_ns
    done = run_hook(project)
    assert done.returncode == 0, done.stderr
    assert stamp.stat().st_mtime_ns == before


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_is_ready(deployed: Deployed) -> None:
    answer = loopback.get(deployed.instance.url + "/ready")
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
    wait_for(lambda: picture_name("photo.jpg") in cloud.written())
    image = Image.open(io.BytesIO(cloud.written()[picture_name("photo.jpg")]))
    assert (image.mode, image.size) == ("RGBA", (200, 150))
