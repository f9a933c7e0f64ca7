from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from model_build.heads import with_products
from tests.model_build.graphs import RANDOM, graph_of, pointwise
from tests.model_build.test_quantize import PICTURES, run

SIZES = {"half": (4, 4), "low": (2, 6), "dot": (1, 1)}


def resize(
    source: str, output: str, size: tuple[int, int], **attributes: str
) -> tuple[NodeProto, NDArray[Any]]:
    known = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"} | attributes
    sizes = np.array([1, 1, *size], np.int64)
    return helper.make_node("Resize", [source, "", "", f"{output}/sizes"], [output], output, **known), sizes


def summed(kernel: int = 1, **attributes: str) -> ModelProto:
    """A plane of the picture, and three smaller ones enlarged again, weighted into one."""
    constants: dict[str, NDArray[Any]] = {"one/w": pointwise(1, 3), "one/b": np.zeros(1, np.float32)}
    nodes = [helper.make_node("Conv", ["x", "one/w", "one/b"], ["one"], "one")]
    for name, size in SIZES.items():
        small, constants[f"{name}/sizes"] = resize("one", name, size)
        large, constants[f"{name}/up/sizes"] = resize(name, f"{name}/up", (8, 8), **attributes)
        nodes += [small, large]
    nodes.append(
        helper.make_node("Concat", [*(f"{name}/up" for name in SIZES), "one"], ["all"], "all", axis=1)
    )
    constants["sum/w"] = RANDOM.normal(0, 1, (1, 4, kernel, kernel)).astype(np.float32)
    constants["sum/b"] = np.array([0.5], np.float32)
    pads = [kernel // 2] * 4
    nodes.append(helper.make_node("Conv", ["all", "sum/w", "sum/b"], ["sum"], "sum", pads=pads))
    return graph_of(nodes, "sum", **constants)


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_the_sum_stays_the_same_without_enlarging_anything() -> None:
    model = summed()
    changed = with_products(model)
    assert operators(changed)["MatMul"] == len(SIZES) + 1
    assert operators(changed)["Resize"] == operators(model)["Resize"] - len(SIZES)
    for picture in PICTURES:
        np.testing.assert_allclose(run(changed, picture), run(model, picture), atol=1e-5)


def test_nothing_unused_is_left() -> None:
    changed = with_products(summed()).graph
    read = {name for node in changed.node for name in node.input}
    assert {tensor.name for tensor in changed.initializer} <= read


@pytest.mark.parametrize(
    "other",
    [
        summed(kernel=3),
        summed(mode="cubic"),
        summed(coordinate_transformation_mode="align_corners"),
        summed(coordinate_transformation_mode="asymmetric"),
    ],
    ids=["window", "cubic", "corners", "asymmetric"],
)
def test_other_ends_stay_as_they_are(other: ModelProto) -> None:
    assert operators(with_products(other)) == operators(other)


def test_what_is_read_elsewhere_stays() -> None:
    model = summed()
    model.graph.output.append(helper.make_empty_tensor_value_info("all"))
    model.graph.node.append(helper.make_node("Identity", ["all"], ["copy"], "copy"))
    assert operators(with_products(model)) == operators(model)


def test_weights_go_with_their_planes() -> None:
    model = summed()
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "sum/w")
    only_dot = np.zeros((1, 4, 1, 1), np.float32)
    only_dot[0, 2] = 2
    weights.CopyFrom(numpy_helper.from_array(only_dot, "sum/w"))
    found = run(with_products(model), PICTURES[0])
    assert np.ptp(found) == pytest.approx(0, abs=1e-5)  # one pixel, enlarged
