import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from models.calibrate import ChannelMeans, Range, channel_means, tensor_ranges
from models.errors import QuantizationError
from models.quantize import LARGEST_WEIGHT, Convolution, corrected_bias, float_nodes, quantized, weight_scales

RANDOM = np.random.default_rng(1)


def chain(**weights: NDArray[np.float32]) -> ModelProto:
    """Convolutions one after the other, each with a Relu behind it, from x to the last one's."""
    nodes, tensors, value = [], [], "x"
    for name, weight in weights.items():
        tensors.append(numpy_helper.from_array(weight, f"{name}/w"))
        tensors.append(numpy_helper.from_array(np.zeros(len(weight), np.float32), f"{name}/b"))
        nodes.append(helper.make_node("Conv", [value, f"{name}/w", f"{name}/b"], [name], name))
        nodes.append(helper.make_node("Relu", [name], [f"{name}/relu"], f"{name}/relu"))
        value = f"{name}/relu"
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    mask = helper.make_tensor_value_info(value, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "chain", [picture], [mask], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def pointwise(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(0, 1, (*shape, 1, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        ([], {"c/relu", "end"}),
        (["a"], {"a", "a/relu", "c/relu", "end"}),
        (["b"], {"b", "b/relu", "c/relu", "end"}),
        (["c"], {"b/relu", "c", "c/relu", "end"}),
        (["b", "c"], {"a/relu", "b", "b/relu", "c", "c/relu", "end"}),
    ],
)
def test_float_nodes(named: list[str], kept: set[str]) -> None:
    """The named convolutions, each with its Relu, and what comes behind the last quantized one."""
    model = chain(a=pointwise(4, 3), b=pointwise(4, 4), c=pointwise(1, 4))
    model.graph.node.append(helper.make_node("Sigmoid", ["c/relu"], ["end"], "end"))
    assert float_nodes(model, named) == kept


def test_unknown_float_convolution() -> None:
    with pytest.raises(QuantizationError, match=r"no convolution a/relu$"):
        float_nodes(chain(a=pointwise(4, 3)), ["a", "a/relu"])


def test_weight_scales() -> None:
    weight = np.array([[-64, 1], [0.5, 0.25], [0, 0]], np.float32).reshape(3, 2, 1, 1)
    np.testing.assert_array_equal(weight_scales(weight), np.array([1, 1 / 128, 1], np.float32))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_corrected_bias_restores_the_mean(groups: int) -> None:
    """Without borders the correction is exact: rounded inputs and weights have the float mean output."""
    weight, bias = pointwise(8, 8 // groups), RANDOM.normal(size=8).astype(np.float32)
    inputs = RANDOM.gamma(1, 1, (1, 8, 32, 32)).astype(np.float32)
    step = np.float32(inputs.max() / 255)
    rounded_inputs = np.rint(inputs / step) * step
    means = ChannelMeans(
        inputs.mean(axis=(0, 2, 3), dtype=float), rounded_inputs.mean(axis=(0, 2, 3), dtype=float)
    )
    convolution = Convolution("w", "b", weight, bias, groups, means)
    scales = weight_scales(weight)[:, None, None, None]
    exact = mean_output(inputs, weight, bias, groups)
    rounded_weight = np.rint(weight / scales) * scales
    uncorrected = mean_output(rounded_inputs, rounded_weight, bias, groups)
    corrected = mean_output(rounded_inputs, rounded_weight, corrected_bias(convolution), groups)
    np.testing.assert_allclose(corrected, exact, atol=1e-5)
    assert np.abs(uncorrected - exact).max() > 1e-3


def mean_output(
    inputs: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32], groups: int
) -> NDArray[np.float64]:
    """Mean per channel of a 1 x 1 convolution, computed at every position."""
    outputs = [
        np.einsum("oi,ihw->ohw", part[:, :, 0, 0].astype(np.float64), channels)
        for part, channels in zip(np.split(weight, groups), np.split(inputs[0], groups), strict=True)
    ]
    return np.concatenate(outputs).mean(axis=(1, 2), dtype=np.float64) + bias


@pytest.mark.parametrize(
    ("lowest", "highest", "scale", "zero_point"),
    [
        (0, 255, 1, 0),
        (-255, 0, 1, 255),
        (-1, 1, 2 / 255, 127),
        (-0.2, 0.6, 0.8 / 255, 64),
        (2, 510, 2, 0),
        (-510, -2, 2, 255),
        (0, 0, 1, 0),
    ],
)
def test_range(lowest: float, highest: float, scale: float, zero_point: int) -> None:
    """0 is a level whatever the range, as borders are padded with it."""
    found = Range(np.float32(lowest), np.float32(highest))
    assert found.scale == pytest.approx(scale)
    assert found.zero_point == zero_point


def test_calibration_sees_every_tensor() -> None:
    weight = np.array([1, -1, 0], np.float32).reshape(1, 3, 1, 1)
    model = chain(a=weight)
    pictures = [np.full((1, 3, 8, 8), value, np.float32) for value in (0, 3)]
    pictures[1][0, 0] = 5
    ranges = tensor_ranges(model, pictures)
    assert {name: (float(each.lowest), float(each.highest)) for name, each in ranges.items()} == {
        "x": (0, 5),
        "a": (0, 2),
        "a/relu": (0, 2),
    }
    means = channel_means(model, ranges, ["x"], pictures)["x"]
    np.testing.assert_allclose(means.exact, [2.5, 1.5, 1.5])
    np.testing.assert_allclose(means.rounded, [2.5, 1.5, 1.5], atol=5 / 255)


def test_weights_are_rounded_once_to_seven_bits() -> None:
    weight = pointwise(16, 3)
    pictures = [RANDOM.normal(size=(1, 3, 8, 8)).astype(np.float32)]
    model = quantized(chain(a=weight, b=pointwise(1, 16)), [], pictures, lambda what: None)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    levels = constants["a/w_quantized"]
    assert levels.dtype == np.int8
    scales = weight_scales(weight)[:, None, None, None]
    np.testing.assert_array_equal(levels, np.rint(weight / scales))
    np.testing.assert_array_equal(np.abs(levels).max(axis=(1, 2, 3)), LARGEST_WEIGHT)


def test_weight_that_is_computed_cannot_be_quantized() -> None:
    model = chain(a=pointwise(4, 3))
    model.graph.initializer[0].name = "constant"
    model.graph.node.insert(0, helper.make_node("Identity", ["constant"], ["a/w"], "computed"))
    pictures = [np.ones((1, 3, 8, 8), np.float32)]
    with pytest.raises(QuantizationError, match="a: weight and bias"):
        quantized(model, [], pictures, lambda what: None)
