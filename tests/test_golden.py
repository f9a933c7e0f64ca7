"""Whole cut-outs of real photos against the float network: what ships must find the same subject."""

import io

import numpy as np
import pytest
from PIL import Image

from model_build.fetch import verified_weights
from model_build.fidelity import Reference
from model_build.manifest import load_manifest
from shared_code.matte.built import read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import load_network
from shared_code.modes import Mode
from tests.support.photos import photo
from tests.support.rooms import cut_out

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference() -> Reference:
    network = load_manifest().networks["u2net"]
    return Reference(network, verified_weights(network), network.input.side_px)


@pytest.fixture(scope="module")
def shipped() -> OnnxNetwork:
    return load_network(read_catalogue(), "u2net", threads=2)


def matte(image: Image.Image, network: OnnxNetwork) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "PNG")
    cutout = cut_out(data.getvalue(), Mode.FOREGROUND_MATTING, network)
    return Image.fromarray(np.concatenate([cutout.rows(top) for top in cutout.strip_tops]))


@pytest.mark.parametrize(
    ("name", "least_iou", "largest_mae"),
    [
        ("astronaut.png", 0.97, 0.02),
        ("chelsea.png", 0.90, 0.06),
        ("coffee.png", 0.93, 0.03),
        ("motorcycle_right.png", 0.85, 0.06),
    ],
)
def test_the_same_subject(
    name: str, least_iou: float, largest_mae: float, reference: Reference, shipped: OnnxNetwork
) -> None:
    image = photo(name)
    small = image.resize((shipped.side, shipped.side), Image.Resampling.LANCZOS)
    mask = Image.fromarray(reference.mask(np.asarray(small)))
    expected = np.asarray(mask.resize(image.size, Image.Resampling.BICUBIC)).clip(0, 1)
    found = np.asarray(matte(image, shipped), np.float32) / 255
    both, either = (expected > 0.5) & (found > 0.5), (expected > 0.5) | (found > 0.5)
    assert both.sum() / either.sum() >= least_iou
    assert np.abs(expected - found).mean() <= largest_mae
