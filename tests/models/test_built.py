"""What `make model` has built: safe on every processor, float where it must be, true to the float network."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

from models.build import is_built, make, mean_difference
from models.fetch import verified_weights
from models.manifest import Network, built_path, load_manifest

NETWORKS = list(load_manifest().networks.values())
INT16_MAX = 32_767


def built(network: Network) -> ModelProto:
    return onnx.load(built_path(network.name))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_no_pair_of_products_overflows_int16(network: Network) -> None:
    """Without VNNI a processor adds two products of uint8 and int8 in 16 bits, and saturates."""
    model = built(network)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    places = {"QLinearConv": 3, "MatMulIntegerToFloat": 1}
    products = [node for node in model.graph.node if node.op_type in places]
    assert len(products) > 100
    for node in products:
        weights = numpy_helper.to_array(constants[node.input[places[node.op_type]]])
        assert weights.dtype == np.int8
        magnitudes = np.abs(weights.astype(np.int32))
        assert 255 * 2 * magnitudes.max() <= INT16_MAX, node.name


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_convolutions_that_stay_float(network: Network) -> None:
    """The named ones, the first, which reads the picture, and the last, which makes the mask."""
    assert network.quantization is not None
    model = built(network)
    assert {"Conv_0", "Conv_1047"} <= {node.name for node in model.graph.node}
    floats = {node.name for node in model.graph.node if node.op_type in ("Conv", "FusedConv")}
    assert set(network.quantization.float_convolutions) <= floats
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name in network.quantization.float_convolutions:
            assert numpy_helper.to_array(constants[node.input[1]]).dtype == np.float32


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
