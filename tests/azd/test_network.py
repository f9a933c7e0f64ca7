"""Another network by one variable: `azd env set SEGMENT_MODEL birefnet-lite`, and `azd up`.

What the manifest names cannot be had here. Instead an address on this machine serves BiRefNet's real
architecture, narrow and with random weights: what it cuts out means nothing.
"""

import io
import json
from collections.abc import Iterator

import pytest
from PIL import Image

from model_build.fetch import file_sha256
from tests.azd.azure import Azure
from tests.azd.conftest import new_laptop, skip
from tests.azd.laptop import Laptop, Screen
from tests.azd.person import Person
from tests.support.folder_files import FolderFiles
from tests.support.hosts import PROJECT
from tests.support.loopback import listening
from tests.support.photos import encoded

pytestmark = pytest.mark.slow

NAME, FILE, SIDE = "birefnet-lite", "birefnet_mini.onnx", 256
PUBLISHED = PROJECT.parent / "shared" / "data" / "networks"


@pytest.fixture(scope="module")
def laptop(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A clone whose manifest names an address of this machine."""
    if not (PUBLISHED / FILE).is_file():
        skip(f"needs ../shared/data/networks/{FILE}")
    folder = tmp_path_factory.mktemp("laptop")
    laptop = new_laptop(azure, folder)
    certificate, key = azure.authority.write("localhost", folder)
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    with listening(FolderFiles.of(PUBLISHED), certificate=both) as address:
        manifest = laptop.project / "models" / "manifest.json"
        document = json.loads(manifest.read_text())
        entry = document["networks"][NAME]
        entry["source"] = {"url": f"{address}/{FILE}"}
        entry["weights_sha256"] = file_sha256(PUBLISHED / FILE)
        entry["external_data"] = {f"{FILE}.data": file_sha256(PUBLISHED / f"{FILE}.data")}
        entry["input"]["side_px"] = SIDE
        manifest.write_text(json.dumps(document))
        assert laptop.run("env", "new", "rehearsal", "--no-prompt").status == 0
        assert laptop.run("env", "set", "SEGMENT_MODEL", NAME).status == 0
        yield laptop


@pytest.fixture(scope="module")
def up(laptop: Laptop) -> Screen:
    return laptop.run("up", "--no-prompt")


def test_it_is_fetched_built_packed_and_used(up: Screen, azure: Azure) -> None:
    assert up.status == 0, up.text
    assert f"[{NAME} " in up.text.partition("Provisioning and deploying")[0]
    assert "A cut-out by your own endpoint:" in up.text
    (published,) = azure.site.published
    catalogue = json.loads((published.folder / "models" / "built" / "networks.json").read_text())
    assert catalogue["networks"][NAME]["cost"]["one_run_mb"] > 0
    assert azure.site.settings["SEGMENT_MODEL"] == NAME
    person = Person(azure)
    assert person.ready()["model"] == NAME
    answer = person.cut_out(encoded("JPEG", 200, 150), person.key)
    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.content)).size == (200, 150)


def test_an_instance_that_is_too_small_is_told_before_anything_is_made(
    up: Screen, laptop: Laptop, azure: Azure
) -> None:
    """As if the builder had measured more than 2048 MB have room for."""
    assert up.status == 0
    path = laptop.project / "models" / "built" / f"{NAME}.stamp"
    stamp = json.loads(path.read_text())
    stamp["network"]["cost"] |= {"one_run_mb": 1800, "two_runs_mb": 2300}
    path.write_text(json.dumps(stamp))
    sent = len(azure.arm.parameters)
    refused = laptop.run("up", "--no-prompt")
    assert refused.status != 0
    assert "it needs one of 4096 MB (azd env set INSTANCE_MEMORY_MB 4096)" in refused.text
    assert len(azure.arm.parameters) == sent
    assert len(azure.site.published) == 1
    assert laptop.run("env", "set", "INSTANCE_MEMORY_MB", "4096").status == 0
    assert laptop.run("package", "--no-prompt").status == 0
