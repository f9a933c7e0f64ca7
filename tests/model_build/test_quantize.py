from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_build.quantize import Quantizer
from tests.model_build.graphs import RANDOM, chain, graph_of, pointwise, run

PICTURES = [RANDOM.normal(0.5, 1, (1, 3, 8, 8)).astype(np.float32) for _ in range(6)]


def quantized(
    model: ModelProto, pictures: Sequence[NDArray[np.float32]], float_convolutions: Sequence[str] = ()
) -> ModelProto:
    """In int8 as usual."""
    with TemporaryDirectory() as folder:
        return Quantizer(model, float_convolutions, pictures, Path(folder), lambda _: None).made()


def assert_agree(model: ModelProto, levels: ModelProto, share: float) -> None:
    """The mean difference is at most that share of the mean output."""
    for picture in PICTURES:
        exact, found = run(model, picture), run(levels, picture)
        assert found.shape == exact.shape
        assert np.abs(found - exact).mean() <= share * np.abs(exact).mean() + 1e-6


def operators(model: ModelProto) -> Counter[str]:
    """How often each occurs; convolutions of 8-bit weights apart."""
    weights = {each.name for each in model.graph.initializer}
    return Counter(
        "Conv on levels" if node.op_type == "Conv" and node.input[1] not in weights else node.op_type
        for node in model.graph.node
    )


def test_chain() -> None:
    model = chain(
        a=RANDOM.normal(0, 1, (16, 3, 3, 3)).astype(np.float32), b=pointwise(8, 16), c=pointwise(8, 8)
    )
    levels = quantized(model, PICTURES)
    assert operators(levels)["Conv on levels"] == 3
    assert_agree(model, levels, 0.05)


def test_a_float_convolution_between_quantized_ones() -> None:
    model = chain(a=pointwise(16, 3), b=pointwise(40, 16), c=pointwise(8, 40))
    levels = quantized(model, PICTURES, float_convolutions=("b",))
    assert operators(levels)["Conv on levels"] == 2
    assert operators(levels)["Conv"] == 1
    assert_agree(model, levels, 0.05)


def test_planes_stay_float_and_what_follows_from_them() -> None:
    """Two convolutions of one output, one enlarged and the other not, joined and weighed: U-2-Net's head."""
    nodes = [
        helper.make_node("Conv", ["x", "wa", "ba"], ["a"], "a", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["a"], ["wide"], "wide"),
        helper.make_node("MaxPool", ["wide"], ["half"], "half", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["wide", "wb", "bb"], ["b"], "b", kernel_shape=[1, 1]),
        helper.make_node("Conv", ["half", "wb", "bb"], ["c"], "c", kernel_shape=[1, 1]),
        helper.make_node("Resize", ["c", "", "twice"], ["raised"], "raised", mode="linear"),
        helper.make_node("Concat", ["b", "raised"], ["planes"], "planes", axis=1),
        helper.make_node("Sigmoid", ["planes"], ["end"], "end"),
    ]
    constants = {
        "wa": pointwise(8, 3),
        "ba": np.zeros(8, np.float32),
        "wb": pointwise(1, 8),
        "bb": np.zeros(1, np.float32),
        "twice": np.array([1, 1, 2, 2], np.float32),
    }
    model = graph_of(nodes, "end", **constants)
    levels = quantized(model, PICTURES)
    assert operators(levels)["Conv on levels"] == 1
    rounded = {name for node in levels.graph.node if node.op_type == "QuantizeLinear" for name in node.input}
    assert not rounded & {"b", "c", "raised", "planes", "end"}
    assert_agree(model, levels, 0.05)


@pytest.mark.parametrize("groups", [1, 2])
def test_bias_correction(groups: int) -> None:
    """Weights that are all rounded the same way move the mean; the bias takes it back."""
    weight = np.full((4, 8 // groups, 1, 1), 0.503, np.float32)
    weight[:, 0] = 1.0  # 64 levels: the others fall between two
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], "c", kernel_shape=[1, 1], group=groups),
    ]
    model = graph_of(nodes, "y", w=weight, b=np.zeros(4, np.float32))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8
    pictures = [np.abs(RANDOM.normal(1, 0.2, (1, 8, 8, 8))).astype(np.float32) for _ in range(4)]
    corrected = quantized(model, pictures)

    def drift(levels: ModelProto) -> float:
        return abs(float(np.mean([run(levels, each) - run(model, each) for each in pictures])))

    biases = next(each for each in corrected.graph.initializer if each.data_type == TensorProto.INT32)
    assert numpy_helper.to_array(biases).any(), "was zero before"
    uncorrected = ModelProto()
    uncorrected.CopyFrom(corrected)
    for each in uncorrected.graph.initializer:
        if each.data_type == TensorProto.INT32:
            each.CopyFrom(numpy_helper.from_array(np.zeros(4, np.int32), each.name))
    assert drift(corrected) < drift(uncorrected) / 4


def test_no_convolution_of_that_name() -> None:
    with pytest.raises(ValueError, match="no convolution nobody"):
        quantized(chain(a=pointwise(4, 3)), PICTURES, float_convolutions=("nobody",))
