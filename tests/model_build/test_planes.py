import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from model_build.planes import with_planes_as_products
from tests.model_build.graphs import RANDOM, graph_of, run


def on_levels(
    weight: NDArray[np.float32], zero: int, *more: NodeProto, **attributes: list[int]
) -> ModelProto:
    """x on levels, and a float convolution that reads them."""
    plane = helper.make_node("Conv", ["floats", "w", "b"], ["plane"], "plane")
    plane.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "unit", "zero"], ["levels"], "levels"),
        helper.make_node("DequantizeLinear", ["levels", "unit", "zero"], ["floats"], "floats"),
        plane,
        *more,
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "unit": np.array(0.05, np.float32),
        "zero": np.array(zero, np.uint8),
        "w": weight,
        "b": np.full(len(weight), 0.3, np.float32),
    }
    return graph_of(nodes, "plane", **constants)


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("zero", [0, 128])
@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        ((1, 1), {}),
        ((3, 3), {"pads": [1, 1, 1, 1]}),
        ((3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
        ((3, 3), {"pads": [1, 1, 0, 0], "strides": [2, 2]}),
        ((1, 3), {"pads": [0, 1, 0, 1]}),
    ],
)
def test_same_plane(kernel: tuple[int, int], attributes: dict[str, list[int]], zero: int) -> None:
    """To 14 bits of a weight, where 7 would show: the sum has 3 to 27 of them."""
    weight = RANDOM.normal(0, 1, (1, 3, *kernel)).astype(np.float32)
    model = on_levels(weight, zero, kernel_shape=list(kernel), **attributes)
    products = with_planes_as_products(model)
    assert "DequantizeLinear" not in operators(products)
    assert "MatMulInteger" in operators(products)
    for _ in range(3):
        picture = RANDOM.normal(0, 2, (1, 3, 8, 8)).astype(np.float32)
        np.testing.assert_allclose(run(products, picture), run(model, picture), atol=2e-3)


def test_a_kernel_of_zeros() -> None:
    products = with_planes_as_products(on_levels(np.zeros((1, 3, 1, 1), np.float32), 0, kernel_shape=[1, 1]))
    assert (run(products, np.ones((1, 3, 8, 8), np.float32)) == np.float32(0.3)).all()


def test_weights_overflow_on_no_processor() -> None:
    weight = RANDOM.normal(0, 1, (1, 3, 3, 3)).astype(np.float32)
    products = with_planes_as_products(on_levels(weight, 0, kernel_shape=[3, 3]))
    (columns,) = (
        numpy_helper.to_array(each)
        for each in products.graph.initializer
        if each.data_type == TensorProto.INT8
    )
    assert columns.shape == (3, 18)
    assert 255 * 2 * np.abs(columns.astype(int)).max() <= 32_767


def test_floats_that_others_read_stay() -> None:
    sigmoid = helper.make_node("Sigmoid", ["floats"], ["other"], "other")
    products = with_planes_as_products(
        on_levels(RANDOM.normal(0, 1, (1, 3, 1, 1)).astype(np.float32), 0, sigmoid)
    )
    assert {"DequantizeLinear", "MatMulInteger"} <= set(operators(products))


@pytest.mark.parametrize("outputs", [2, 8])
def test_convolutions_of_more_outputs_stay(outputs: int) -> None:
    model = on_levels(RANDOM.normal(0, 1, (outputs, 3, 1, 1)).astype(np.float32), 0, kernel_shape=[1, 1])
    assert operators(with_planes_as_products(model)) == operators(model)
