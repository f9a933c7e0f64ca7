"""What `make model` has built: safe on every processor, float where it must be, true to the float network."""

import hashlib
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from model_build.build import already_built, meaning
from model_build.fetch import verified_weights
from model_build.fidelity import Yardstick
from model_build.manifest import Network, load_manifest
from model_build.photos import held_out_pictures
from shared_code.matte.built import read_catalogue
from tests.model_build.usual import usual_model
from tests.support import older_processor
from tests.support.older_processor import HIDDEN, library_that_asks, run_as

pytestmark = pytest.mark.slow

NETWORKS = list(load_manifest().always.values())
INT16_MAX = 32_767


def built(network: Network) -> ModelProto:
    return onnx.load(read_catalogue().checked_path(network.name))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_no_pair_of_products_overflows_int16(network: Network) -> None:
    """Without VNNI a processor adds two products of uint8 and int8 in 16 bits, and saturates."""
    model = built(network)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    weights_at = {"QLinearConv": 3, "MatMulInteger": 1}
    products = [node for node in model.graph.node if node.op_type in weights_at]
    assert len(products) > 100
    for node in products:
        weights = numpy_helper.to_array(constants[node.input[weights_at[node.op_type]]])
        assert weights.dtype == np.int8
        assert 255 * 2 * np.abs(weights.astype(np.int32)).max() <= INT16_MAX, node.name
    assert "ConvInteger" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_convolutions_that_stay_float(network: Network) -> None:
    """The named ones, and those of one output, the planes of the mask and their sum."""
    assert network.quantization is not None
    model = built(network)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    floats = [node for node in model.graph.node if node.op_type in ("Conv", "FusedConv")]
    assert {constants[node.input[1]].data_type for node in floats} == {TensorProto.FLOAT}
    planes = [node.name for node in floats if constants[node.input[1]].dims[0] == 1]
    assert len(planes) == 7
    assert {node.name for node in floats} == {*planes, *network.quantization.float_convolutions}


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_all_else_computes_on_bytes(network: Network) -> None:
    """The optimizer has found every pair of quantize and dequantize nodes around an operator."""
    kinds = Counter(node.op_type for node in built(network).graph.node)
    assert kinds["QLinearConv"] > 100
    assert kinds["MatMulInteger"] == 6, "the planes but for their sum"
    assert not set(kinds) & {"MaxPool", "Add", "Relu"}
    assert not {kind for kind in kinds if "Nchwc" in kind}


_MASKS = """
import numpy as np
import onnxruntime as ort
model, pictures, masks = sys.argv[1:]
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = 1
session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])
name = session.get_inputs()[0].name
np.save(masks, [session.run(None, {name: rgb[np.newaxis]})[0] for rgb in np.load(pictures)])
"""


@pytest.mark.skipif(bool(older_processor.missing()), reason=str(older_processor.missing()))
@pytest.mark.campaign
@pytest.mark.parametrize("name", [network.name for network in NETWORKS])
def test_masks_are_the_same_on_every_processor(name: str, tmp_path: Path) -> None:
    library = library_that_asks(tmp_path)
    catalogue = read_catalogue()
    pictures = tmp_path / "pictures.npy"
    side_px = load_manifest().networks[name].input.side_px
    np.save(pictures, list(islice(held_out_pictures(side_px), 3)))
    arguments = [str(catalogue.folder / catalogue.networks[name].file), str(pictures)]
    found = {}
    for processor in HIDDEN:
        path = tmp_path / f"{processor}.npy"
        run_as(processor, library, _MASKS, *arguments, str(path))
        found[processor] = np.load(path)
    for processor in list(HIDDEN)[1:]:
        np.testing.assert_array_equal(found[processor], found["this one"], processor)


@pytest.mark.campaign
def test_masks_agree_with_the_float_network() -> None:
    """The smaller network: the build measures both on the same photos, and refuses what differs more."""
    network = load_manifest().networks["u2netp"]
    assert network.quantization is not None
    model = read_catalogue().checked_path(network.name).read_bytes()
    differences = Yardstick(network, verified_weights(network)).differences(model)
    assert differences.keys() == {network.input.side_px, network.input.second_side_px} - {None}
    assert max(differences.values()) <= network.quantization.max_mae


@pytest.mark.campaign
def test_the_same_bytes_twice() -> None:
    """The smaller network, since the larger one takes a minute; both go through the same code."""
    network = load_manifest().networks["u2netp"]
    again = usual_model(network, verified_weights(network), lambda _: None)
    assert hashlib.sha256(again).hexdigest() == read_catalogue().networks["u2netp"].sha256


def test_what_is_built_is_not_built_again() -> None:
    catalogue = read_catalogue()
    for network in NETWORKS:
        assert already_built(network) == catalogue.networks[network.name]


CODE = """
class A:
    side: int

    def f(self) -> int:
        return 1
"""
SAME = '''
"""A module."""
class A:  # what it is
    """A class."""
    side: int
    """A field."""
    def f(self) -> int:
        """A method."""
        return (1)
'''


@pytest.mark.parametrize(("source", "same"), [(SAME, True), (CODE.replace("1", "2"), False)])
def test_only_what_code_means_counts(source: str, same: bool) -> None:
    """Touching a docstring builds nothing again."""
    assert (meaning(source) == meaning(CODE)) == same
