import numpy as np
import pytest
from onnx import ModelProto, helper

from model_build.errors import QuantizationError
from model_build.levels import (
    held_in_levels,
    level_steps,
    measured_tensors,
    quantized_convolutions,
    wanted_levels,
)
from tests.model_build.graphs import chain, graph_of, pointwise


def three() -> ModelProto:
    return chain(a=pointwise(4, 3), b=pointwise(4, 4), c=pointwise(1, 4))


@pytest.mark.parametrize(
    ("kept", "found"),
    [([], {"a", "b", "c"}), (["a"], {"b", "c"}), (["c", "b"], {"a"})],
)
def test_convolutions_with_a_relu_are_quantized(kept: list[str], found: set[str]) -> None:
    model = three()
    steps = level_steps(model, dict.fromkeys(measured_tensors(model), 1.0))
    relus = quantized_convolutions(model, kept, steps)
    assert relus == {name: f"{name}/relu" for name in found}


def test_what_has_no_relu_or_reads_no_levels_stays_float() -> None:
    model = three()
    for node in model.graph.node:
        if node.name in ("start", "b/relu"):
            node.op_type = "LeakyRelu"
    steps = level_steps(model, dict.fromkeys(measured_tensors(model), 1.0))
    assert quantized_convolutions(model, [], steps) == {}


def test_unknown_float_convolution() -> None:
    with pytest.raises(QuantizationError, match=r"no convolution a/relu$"):
        quantized_convolutions(three(), ["a", "a/relu"], {})


def joined() -> ModelProto:
    nodes = [
        helper.make_node("Relu", ["x"], ["wide"], "wide"),
        helper.make_node("MaxPool", ["wide"], ["half"], "half", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["half", "w", "b"], ["c"], "c", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["c"], ["deep"], "deep"),
        helper.make_node("Resize", ["deep", "", "twice"], ["raised"], "raised", mode="linear"),
        helper.make_node("Concat", ["raised", "wide"], ["both"], "both", axis=1),
        helper.make_node("Add", ["wide", "wide"], ["sum"], "sum"),
    ]
    constants = {
        "w": pointwise(3, 3),
        "b": np.zeros(3, np.float32),
        "twice": np.array([1, 1, 2, 2], np.float32),
    }
    return graph_of(nodes, "both", **constants)


@pytest.mark.parametrize(("wide", "deep", "both"), [(1.0, 4.0, 4.0), (4.0, 1.0, 4.0)])
def test_joined_tensors_share_the_larger_step(wide: float, deep: float, both: float) -> None:
    steps = level_steps(joined(), {"wide": wide, "deep": deep, "sum": 8.0})
    unit = steps["wide"] / np.float32(wide)
    assert steps["half"] == steps["wide"]
    assert steps["deep"] == pytest.approx(deep * unit)
    assert steps["raised"] == steps["both"] == pytest.approx(both * unit)
    assert steps["sum"] == pytest.approx(8 * unit)


def test_a_tensor_that_is_always_zero_has_a_step() -> None:
    assert level_steps(joined(), {"wide": 0.0, "deep": 0.0, "sum": 0.0})["wide"] == 1


def test_what_leads_to_no_quantized_convolution_stays_float() -> None:
    model = joined()
    steps = level_steps(model, {"wide": 1.0, "deep": 1.0, "sum": 1.0})
    assert wanted_levels(model, {"c"}, steps) == {"half", "wide"}


def test_what_has_been_levels() -> None:
    model = joined()
    assert held_in_levels(model, {"deep"}, {"half", "wide"}) == {
        "half",
        "wide",
        "deep",
        "raised",
        "both",
        "sum",
    }
    assert held_in_levels(model, {"deep"}, set()) == {"deep", "raised"}
