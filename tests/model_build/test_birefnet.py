"""BiRefNet as today's libraries export it, from an address to an answer of the service.

Its architecture is the real one, narrow and with random weights: what it cuts out means nothing.
"""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from model_build import fetch
from model_build.__main__ import main
from model_build.fetch import file_sha256
from model_build.manifest import Input, Licence, Manifest, Network, Output, UrlSource
from shared_code.settings import load_settings
from tests.support import loopback
from tests.support.folder_files import FolderFiles
from tests.support.hosts import PROJECT, embedded_host
from tests.support.loopback import listening
from tests.support.photos import encoded

pytestmark = pytest.mark.slow

DEPLOYED = ("cutout_function", "local_host", "segment_function", "shared_code", "telemetry")
PUBLISHED = PROJECT.parent / "shared" / "data" / "networks"
FILE = "birefnet_mini.onnx"
SIDE = 256


@pytest.mark.campaign
@pytest.mark.usefixtures("trusted")
def test_from_an_address_to_an_answer(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (PUBLISHED / FILE).is_file():
        pytest.skip(f"needs ../shared/data/networks/{FILE}")
    monkeypatch.setattr(fetch.verified_weights, "__defaults__", (tmp_path / "cache",))
    folder = tmp_path / "built"
    with listening(FolderFiles.of(PUBLISHED), certificate=certificate) as address:
        birefnet = Network(
            name="birefnet-mini",
            source=UrlSource(f"{address}/{FILE}"),
            weights_sha256=file_sha256(PUBLISHED / FILE),
            external_data={f"{FILE}.data": file_sha256(PUBLISHED / f"{FILE}.data")},
            licence=Licence("MIT", "none"),
            training_data="none",
            input=Input(SIDE, 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            output=Output("logit"),
        )
        manifest = Manifest(birefnet.name, {birefnet.name: birefnet})
        assert main([], lambda: manifest, folder, lambda: load_settings({})) == 0, capsys.readouterr().err
    app = app_with(folder, tmp_path / "app")
    with embedded_host(tmp_path / "log", {"SEGMENT_ALLOW_ANONYMOUS": "true"}, app) as host:
        answer = loopback.post(
            f"{host.url}/computervision/imageanalysis:segment",
            params={"api-version": "2023-02-01-preview", "mode": "foregroundMatting"},
            headers={"Content-Type": "image/jpeg"},
            content=encoded("JPEG", 400, 300),
        )
    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.content)).size == (400, 300)


def app_with(built: Path, folder: Path) -> Path:
    """A copy of what is deployed, with other networks."""
    for name in DEPLOYED:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("function_app.py", "host.json"):
        shutil.copy(PROJECT / name, folder)
    shutil.copytree(built, folder / "models" / "built")
    return folder
