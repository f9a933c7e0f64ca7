"""What `make model` has built: safe on every processor, float where it must be, true to the float network."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from model_build.build import is_built, make, mean_difference
from model_build.fetch import verified_weights
from model_build.manifest import Network, built_path, load_manifest
from shared_code.matte.inference import compiled
from tests.support.hosts import PROJECT, environment

NETWORKS = list(load_manifest().networks.values())
INT16_MAX = 32_767


def built(network: Network) -> ModelProto:
    return onnx.load(built_path(network.name))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_no_pair_of_products_overflows_int16(network: Network) -> None:
    """Without VNNI a processor adds two products of uint8 and int8 in 16 bits, and saturates."""
    model = built(network)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = [
        constants[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in constants
    ]
    assert len(weights) > 100
    for each in weights:
        assert each.dtype == np.int8
        assert 255 * 2 * np.abs(each.astype(np.int32)).max() <= INT16_MAX


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_convolutions_that_stay_float(network: Network) -> None:
    """The named ones, the first, which reads the picture, and the sum at the end, which makes the mask."""
    assert network.quantization is not None
    model = built(network)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    floats = {node.name for node in model.graph.node if node.op_type == "Conv" and node.input[1] in constants}
    assert {"Conv_0", *network.quantization.float_convolutions} <= floats
    factors = [name for node in model.graph.node if node.op_type == "MatMul" for name in node.input]
    known = [constants[name].data_type for name in factors if name in constants]
    assert known == [TensorProto.FLOAT] * 6


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_the_runtime_computes_on_bytes(network: Network) -> None:
    """It finds the pairs of quantize and dequantize nodes, and leaves none of them over."""
    ready = compiled(built_path(network.name).read_bytes(), threads=2)
    about = [node.get_rt_info() for node in ready.get_runtime_model().get_ops()]
    kinds = Counter((each["layerType"].astype(str), each["runtimePrecision"].astype(str)) for each in about)
    assert kinds["Convolution", "u8"] > 100
    assert kinds["Pooling", "u8"] > 30
    assert not {kind for kind, _ in kinds} & {"FakeQuantize", "Quantize", "Dequantize"}


_MASKS = """
import sys
from pathlib import Path
import numpy as np
from model_build.photos import held_out_pictures
from shared_code.matte.inference import compiled
request = compiled(Path(sys.argv[1]).read_bytes(), threads=1).create_infer_request()
pictures = list(held_out_pictures(int(sys.argv[3])))[:4]
np.save(sys.argv[2], [request.infer([rgb[np.newaxis]])[0].copy() for rgb in pictures])
"""


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_masks_are_the_same_on_every_processor(network: Network, tmp_path: Path) -> None:
    """oneDNN, which computes OpenVINO's convolutions, can be told to do without newer instructions."""
    masks = []
    for instructions in ("AVX2", "AVX512_CORE", "ALL"):
        path = tmp_path / f"{instructions}.npy"
        subprocess.run(
            [
                sys.executable,
                "-c",
                _MASKS,
                str(built_path(network.name)),
                str(path),
                str(network.input.side_px),
            ],
            cwd=PROJECT,
            env=environment({"ONEDNN_MAX_CPU_ISA": instructions}),
            check=True,
        )
        masks.append(np.load(path))
    np.testing.assert_array_equal(masks[0], masks[-1])
    np.testing.assert_array_equal(masks[1], masks[-1])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_masks_agree_with_the_float_network(network: Network) -> None:
    assert network.quantization is not None
    model = built_path(network.name).read_bytes()
    assert mean_difference(network, verified_weights(network), model) <= network.quantization.max_mae


def test_the_same_bytes_twice() -> None:
    """The smaller network, since the larger one takes a minute; both go through the same code."""
    network = load_manifest().networks["u2netp"]
    again = make(network, verified_weights(network), lambda step: None)
    sha256 = built_path("u2netp").with_name("u2netp.onnx.sha256").read_text().split()[0]
    assert hashlib.sha256(again).hexdigest() == sha256


def test_what_is_built_is_not_built_again() -> None:
    assert all(is_built(network) for network in NETWORKS)
