from collections import Counter

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper

from model_build.errors import QuantizationError
from model_build.quantize import quantized
from shared_code.matte.inference import compiled
from tests.model_build.graphs import RANDOM, chain, graph_of, pointwise

PICTURES = [RANDOM.normal(0.5, 1, (1, 3, 8, 8)).astype(np.float32) for _ in range(6)]


def no_step(what: str) -> None:
    """Nobody watches."""


def run(model: ModelProto, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    (output,) = session.run(None, {"x": picture})
    return np.asarray(output, np.float32)


def assert_agree(model: ModelProto, levels: ModelProto, share: float) -> None:
    """The mean difference is at most that share of the mean output, whatever runs the graph."""
    request = compiled(levels.SerializeToString(), threads=1).create_infer_request()
    for picture in PICTURES:
        exact = run(model, picture)
        for found in (run(levels, picture), request.infer([picture])[0]):
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
    levels = quantized(model, [], PICTURES, no_step)
    assert operators(levels)["Conv on levels"] == 3
    assert_agree(model, levels, 0.05)


def test_a_float_convolution_between_quantized_ones() -> None:
    model = chain(a=pointwise(16, 3), b=pointwise(40, 16), c=pointwise(8, 40))
    levels = quantized(model, ["b"], PICTURES, no_step)
    assert operators(levels)["Conv on levels"] == 2
    assert operators(levels)["Conv"] == 1
    assert_agree(model, levels, 0.05)


@pytest.mark.parametrize("gain", [0.1, 1, 10])
@pytest.mark.parametrize("outputs", [1, 40])
def test_every_operator_on_levels(gain: float, outputs: int) -> None:
    """Pooled, resized, joined with parts of other steps, added; the head is narrow, or has a Relu."""
    kernel = RANDOM.normal(0, 1, (outputs, 24, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Relu", ["x"], ["start"], "start"),
        helper.make_node("Conv", ["start", "wa", "ba"], ["a"], "a", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["a"], ["wide"], "wide"),
        helper.make_node("MaxPool", ["wide"], ["half"], "half", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["half", "wb", "bb"], ["b"], "b", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["b"], ["deep"], "deep"),
        helper.make_node("Resize", ["deep", "", "twice"], ["raised"], "raised", mode="linear"),
        helper.make_node("Add", ["wide", "wide"], ["sum"], "sum"),
        helper.make_node("Concat", ["raised", "wide", "sum"], ["all"], "all", axis=1),
        helper.make_node("Conv", ["all", "wc", "bc"], ["c"], "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    if outputs > 1:
        nodes.append(helper.make_node("Relu", ["c"], ["end"], "end"))
    constants = {
        "wa": pointwise(8, 3),
        "ba": np.zeros(8, np.float32),
        "wb": pointwise(8, 8) * np.float32(gain),
        "bb": np.full(8, 0.1, np.float32),
        "twice": np.array([1, 1, 2, 2], np.float32),
        "wc": kernel,
        "bc": np.ones(outputs, np.float32),
    }
    model = graph_of(nodes, nodes[-1].output[0], **constants)
    levels = quantized(model, [], PICTURES, no_step)
    assert operators(levels)["Conv on levels"] == 3
    assert operators(levels)["Conv"] == (outputs == 1)  # adds up the two parts of the narrow one
    assert_agree(model, levels, 0.05)


def test_weight_that_is_computed_cannot_be_quantized() -> None:
    model = chain(a=pointwise(4, 3))
    model.graph.initializer[0].name = "constant"
    model.graph.node.insert(0, helper.make_node("Identity", ["constant"], ["a/w"], "computed"))
    with pytest.raises(QuantizationError, match="a: weight and bias"):
        quantized(model, [], PICTURES, no_step)
