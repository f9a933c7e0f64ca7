"""BiRefNet as today's libraries export it, from an address to the masks of the service.

Its architecture is the real one, narrow and with random weights: masks mean nothing, but have to be the same.
"""

from pathlib import Path

import numpy as np
import pytest

from model_build import fetch
from model_build.__main__ import main
from model_build.fetch import file_sha256
from model_build.manifest import Input, Licence, Manifest, Network, Output, UrlSource
from model_build.photos import held_out_pictures
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import load_network
from tests.support.https_server import FolderFiles, https_server

pytestmark = pytest.mark.slow

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "networks"
FILE = "birefnet_mini.onnx"
SIDE = 256


@pytest.mark.usefixtures("trusted")
def test_from_an_address_to_a_mask(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (PUBLISHED / FILE).is_file():
        pytest.skip(f"needs ../shared/data/networks/{FILE}")
    monkeypatch.setattr(fetch.verified_weights, "__defaults__", (tmp_path / "cache",))
    folder = tmp_path / "built"
    with https_server(FolderFiles.of(PUBLISHED), certificate) as address:
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
        assert main([], lambda: manifest, folder, lambda: "") == 0, capsys.readouterr().err
    network = load_network(read_catalogue(folder), birefnet.name, 2)
    mask = network.mask(next(held_out_pictures(SIDE)))
    assert mask.shape == (SIDE, SIDE)
    assert mask.dtype == np.uint8
