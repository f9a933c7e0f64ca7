import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from model_build.joins import with_levels_of_joins
from tests.model_build.graphs import RANDOM, graph_of, run


def pair(name: str, unit: str) -> list[NodeProto]:
    """`name` rounded to levels and back."""
    return [
        helper.make_node("QuantizeLinear", [name, unit, "zero"], [f"{name}/q"], f"{name}/q"),
        helper.make_node("DequantizeLinear", [f"{name}/q", unit, "zero"], [f"{name}/dq"], f"{name}/dq"),
    ]


def joined(*more: NodeProto) -> ModelProto:
    """x halved and enlarged again, joined with x: the first in levels of .01, x and both of .03."""
    nodes = [
        *pair("x", "coarse"),
        helper.make_node("MaxPool", ["x/dq"], ["half"], "half", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["half", "", "twice"], ["large"], "large", mode="linear"),
        *pair("large", "fine"),
        helper.make_node("Concat", ["large/dq", "x/dq"], ["both"], "both", axis=1),
        *pair("both", "coarse"),
        *more,
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "coarse": np.array(0.03, np.float32),
        "fine": np.array(0.01, np.float32),
        "zero": np.array(0, np.uint8),
        "twice": np.array([1, 1, 2, 2], np.float32),
    }
    return graph_of(nodes, "both/dq", **constants)


def units(model: ModelProto, name: str) -> set[str]:
    return {node.input[1] for node in model.graph.node if node.name in (f"{name}/q", f"{name}/dq")}


def test_what_is_enlarged_is_rounded_once() -> None:
    model = joined()
    once = with_levels_of_joins(model)
    assert units(model, "large") == {"fine"}
    assert units(once, "large") == {"coarse"}
    for _ in range(3):
        picture = np.abs(RANDOM.normal(1, 0.2, (1, 3, 8, 8))).astype(np.float32)
        assert np.abs(run(once, picture) - run(model, picture)).max() <= 0.031


@pytest.mark.parametrize("name", ["large/q", "large/dq"])
def test_what_others_read_too_keeps_its_levels(name: str) -> None:
    other = helper.make_node("Identity", [name], ["other"], "other")
    assert units(with_levels_of_joins(joined(other)), "large") == {"fine"}


def test_what_was_not_enlarged_keeps_its_levels() -> None:
    model = joined()
    next(node for node in model.graph.node if node.name == "large").op_type = "Upsample"
    assert units(with_levels_of_joins(model), "large") == {"fine"}
