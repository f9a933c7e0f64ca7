"""The image, built and run: what the embedded host does in a container, and what it may do there."""

import io
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from PIL import Image

from tests.infra.package import packed_files
from tests.support import loopback
from tests.support.containers import FUNCTIONS, PYTHON, Container, base_image, build, container, podman, run
from tests.support.hosts import PROJECT

pytestmark = pytest.mark.slow

IMAGE = "localhost/segment-function-test"
KEY = "key-of-a-container"
BUILT = {".python_packages", "__pycache__"}
"""What each way of packing makes for itself."""
SEGMENT = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    base_image(tmp_path_factory.mktemp("base"), PYTHON)
    build(IMAGE, "host")
    return IMAGE


@pytest.fixture(scope="module")
def running(image: str) -> Iterator[Container]:
    with container(image, {"SEGMENT_API_KEYS": KEY}) as one:
        one.wait_until_ready()
        yield one


def cut_out(running: Container, picture: bytes, key: str) -> httpx.Response:
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"}
    return loopback.post(running.url + SEGMENT, content=picture, headers=headers, patience_s=300)


def test_a_large_photo_is_cut_out_with_two_gib_and_one_core(running: Container) -> None:
    photo = io.BytesIO()
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(photo, "JPEG")
    answer = cut_out(running, photo.getvalue(), KEY)
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as png:
        png.load()
        assert (png.format, png.mode, png.size) == ("PNG", "RGBA", (4000, 3000))
    assert running.state["OOMKilled"] is False


def test_the_whole_wall_stands_around_decoders(running: Container) -> None:
    assert loopback.get(running.url + "/status").json().keys().isdisjoint({"wall_lacks"})
    answer = cut_out(running, b"\x89PNG\r\n\x1a\n" + bytes(100), KEY)
    assert answer.status_code == 400


def test_every_call_needs_a_key(running: Container) -> None:
    assert cut_out(running, b"", "another").status_code == 401


def test_the_health_check_passes(running: Container) -> None:
    assert podman("healthcheck", "run", running.id, check=False).returncode == 0


def test_it_is_no_root_and_changes_nothing(running: Container) -> None:
    assert podman("exec", running.id, "id", "-u").stdout.strip() == "65532"
    for place in ("/app/x", "/tmp/x", "/venv/x"):
        assert podman("exec", running.id, "touch", place, check=False).returncode != 0


def test_nothing_else_of_the_project_is_in_it(running: Container) -> None:
    names = podman("exec", running.id, "ls", "-A", "/app").stdout.split()
    assert set(names) - BUILT == {path.parts[0] for path in packed_files()} - BUILT | {"local_host"}


@pytest.mark.parametrize("when", ["while it starts", "when it serves"])
def test_a_stop_ends_it_in_good_order(image: str, when: str) -> None:
    """Killed, it would have the code 137: process 1 does not hear a signal that it has no handler for."""
    with container(image, {"SEGMENT_API_KEYS": KEY}) as one:
        if when == "when it serves":
            one.wait_until_ready()
        else:
            one.wait_for_a_handler(signal.SIGTERM)
        podman("stop", "--time=30", one.id)
        assert one.wait() == 0


def test_without_keys_it_serves_only_loopback(image: str) -> None:
    with container(image, {"SEGMENT_ALLOW_ANONYMOUS": "true"}) as one:
        assert one.wait() == 1
        assert "SEGMENT_ALLOW_ANONYMOUS: allowed only if SEGMENT_HOST is a loopback address" in one.log()


def test_the_health_check_fails_where_nobody_listens(image: str) -> None:
    done = run(image, "python", "-m", "local_host", "--check")
    assert done.returncode == 1
    assert "no answer" in done.stderr


@pytest.mark.usefixtures("image")
def test_microsofts_image_gets_what_azure_gets(tmp_path: Path) -> None:
    """Built on a substitute for it: the files and packages are in their places; nothing is run."""
    base_image(tmp_path, FUNCTIONS)
    build(f"{IMAGE}-functions", "functions")
    root = "/home/site/wwwroot"
    listed = run(f"{IMAGE}-functions", "find", root, "-type", "f").stdout.splitlines()
    packed = {path for path in packed_files() if BUILT.isdisjoint(path.parts)}
    assert {Path(path).relative_to(root) for path in listed} == packed
    imported = run(f"{IMAGE}-functions", "python3", "-c", "import azure.functions, onnxruntime")
    assert imported.returncode == 0, imported.stderr


def test_compose_takes_no_more_than_the_tests() -> None:
    (service,) = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"].values()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (service["mem_limit"], service["cpus"]) == ("2g", 1)
    assert service["environment"]["SEGMENT_INSTANCE_MB"] == 2 * 1024
    assert service["build"]["args"]["SEGMENT_MODEL"] == "${SEGMENT_MODEL:-}"
    assert service["ports"] == ["127.0.0.1:7071:7071"]
