"""Float32 network to int8: unsigned 8-bit activations, signed 7-bit weights per output channel.

The arithmetic is that of Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (CVPR 2018), the bias correction that of Nagel et al., "Data-Free
Quantization Through Weight Equalization and Bias Correction" (ICCV 2019), with measured means.
docs/models.md says why.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper, shape_inference
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from models.calibrate import ChannelMeans, Range, channel_means, tensor_ranges
from models.errors import QuantizationError

LARGEST_WEIGHT = 64
"""255 * (64 + 64) fits in int16: processors without VNNI add two products in 16 bits, and saturate."""
_MEAN_PICTURES = 12
_OPERATORS = ("Add", "Concat", "Conv", "MaxPool", "Relu", "Resize")
"""What ONNX Runtime computes on 8-bit tensors, or passes them through; every other operator stays float."""


@dataclass(frozen=True)
class Convolution:
    """A convolution to quantize: its float parameters and what its input looks like.

    weight: float32 (output, input / groups, height, width); bias: float32 (output,).
    """

    weight_name: str
    bias_name: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    groups: int
    input_means: ChannelMeans

    def mean_output(
        self, weight: NDArray[np.float32], input_means: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Mean per output channel without the bias, float64 (output,), if borders did not matter."""
        by_group = input_means.reshape(self.groups, -1)
        by_output = by_group.repeat(len(weight) // self.groups, axis=0)
        return np.sum(weight.sum(axis=(2, 3), dtype=np.float64) * by_output, axis=1)


def quantized(
    model: ModelProto,
    float_convolutions: Collection[str],
    pictures: Sequence[NDArray[np.float32]],
    step: Callable[[str], None],
) -> ModelProto:
    """The float graph with quantize and dequantize nodes around every operator but those that stay float.

    model: every convolution has a bias, as `graph.float_graph` leaves it.
    pictures: calibration inputs, float32 (1, 3, side, side), normalised. `step` is told what begins.
    Raises QuantizationError for a name in `float_convolutions` that is no convolution of the graph, and
    for a convolution whose weight or bias is no constant.
    """
    kept = float_nodes(model, float_convolutions)
    nodes = [node for node in model.graph.node if node.op_type == "Conv" and node.name not in kept]
    step(f"measuring the range of each tensor, {len(pictures)} pictures")
    ranges = tensor_ranges(model, pictures)
    step(f"measuring the means of each channel, {_MEAN_PICTURES} pictures")
    inputs = list(dict.fromkeys(node.input[0] for node in nodes))
    means = channel_means(model, ranges, inputs, pictures[:_MEAN_PICTURES])
    step("rounding the weights and correcting the biases")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    convolutions = [_convolution(node, constants, means) for node in nodes]
    scales = {each.weight_name: weight_scales(each.weight) for each in convolutions}
    biases = {each.bias_name: corrected_bias(each) for each in convolutions}
    return _with_qdq(_with_constants(model, biases), ranges, scales, kept)


def float_nodes(model: ModelProto, float_convolutions: Collection[str]) -> set[str]:
    """Names of the nodes that stay float: the named convolutions, the Relu behind each, and all that
    leads to no quantized convolution.

    Raises QuantizationError for a name that is no convolution of the graph.
    """
    convolutions = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    unknown = sorted(set(float_convolutions) - convolutions.keys())
    if unknown:
        raise QuantizationError(f"float_convolutions: the network has no convolution {unknown[0]}")
    outputs = {convolutions[name].output[0] for name in float_convolutions}
    kept = set(float_convolutions)
    kept.update(n.name for n in model.graph.node if n.op_type == "Relu" and n.input[0] in outputs)
    wanted: set[str] = set()
    for node in reversed(model.graph.node):
        quantized_convolution = node.op_type == "Conv" and node.name not in float_convolutions
        if quantized_convolution or wanted.intersection(node.output):
            wanted.update(node.input)
        else:
            kept.add(node.name)
    return kept


def weight_scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The step between weight levels per output channel, float32 (output,): max|w| / 64."""
    largest = np.abs(weight).max(axis=(1, 2, 3))
    return np.where(largest > 0, largest / np.float32(LARGEST_WEIGHT), np.float32(1))


def corrected_bias(convolution: Convolution) -> NDArray[np.float32]:
    """The bias less the mean error that rounding makes, b - (Wq E[Q(x)] - W E[x]); float32 (output,)."""
    scales = weight_scales(convolution.weight)[:, None, None, None]
    rounded_weight = np.rint(convolution.weight / scales) * scales
    exact = convolution.mean_output(convolution.weight, convolution.input_means.exact)
    rounded = convolution.mean_output(rounded_weight, convolution.input_means.rounded)
    return (convolution.bias - (rounded - exact)).astype(np.float32)


def _convolution(
    node: NodeProto, constants: Mapping[str, NDArray[np.float32]], means: Mapping[str, ChannelMeans]
) -> Convolution:
    tensor, weight, bias = node.input
    if weight not in constants or bias not in constants:
        raise QuantizationError(f"{node.name}: weight and bias of a quantized convolution must be constants")
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return Convolution(weight, bias, constants[weight], constants[bias], groups, means[tensor])


def _with_constants(model: ModelProto, values: Mapping[str, NDArray[np.float32]]) -> ModelProto:
    changed = ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    return changed


def _with_qdq(
    model: ModelProto,
    ranges: Mapping[str, Range],
    scales: Mapping[str, NDArray[np.float32]],
    kept: Collection[str],
) -> ModelProto:
    quantizer = QDQQuantizer(
        shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(
            CalibrationMethod.MinMax,
            {name: TensorData(lowest=each.lowest, highest=each.highest) for name, each in ranges.items()},
        ),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(kept),
        op_types_to_quantize=_OPERATORS,
        extra_options={
            "TensorQuantOverrides": {
                name: [{"axis": 0, "scale": scale, "zero_point": np.int8(0)} for scale in channels]
                for name, channels in scales.items()
            }
        },
    )
    result: ModelProto = quantizer.quantize_model()
    return result
