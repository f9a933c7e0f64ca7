"""Float32 network to int8: unsigned 8-bit activations, signed 7-bit weights per output channel.

After Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (2018), with the bias correction of Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction" (2019). docs/models.md says why in each case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper, shape_inference
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from models.calibrate import ChannelMeans, Range, channel_means, tensor_ranges

LARGEST_WEIGHT = 64
"""255 * (64 + 64) fits in int16: processors without VNNI add two products in 16 bits, and saturate."""
MEAN_PICTURES = 12


class QuantizationError(RuntimeError):
    """The network cannot be quantized as the manifest describes it."""


@dataclass(frozen=True)
class Grid:
    """The 7-bit grid of one convolution: weights are multiples of `scale`, float32 (output channels,)."""

    scale: NDArray[np.float32]
    rounded: NDArray[np.float32]
    """The weights on the grid, in the units of the float ones."""


def quantized(
    model: ModelProto, float_convolutions: Sequence[str], pictures: Sequence[NDArray[np.float32]]
) -> ModelProto:
    """The float graph with quantize and dequantize nodes around every operator but the float ones.

    pictures: calibration inputs, float32 (1, 3, side, side), normalised.
    Raises QuantizationError for a name in `float_convolutions` that is no convolution of the graph.
    """
    kept = _float_nodes(model, float_convolutions)
    convolutions = [n for n in model.graph.node if n.op_type == "Conv" and n.name not in kept]
    ranges = tensor_ranges(model, pictures)
    inputs = list(dict.fromkeys(node.input[0] for node in convolutions))
    means = channel_means(model, ranges, inputs, pictures[:MEAN_PICTURES])
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    grids = {node.input[1]: weight_grid(weights[node.input[1]]) for node in convolutions}
    corrected = ModelProto()
    corrected.CopyFrom(model)
    biases = {
        node.input[2]: corrected_bias(
            weights[node.input[2]], weights[node.input[1]], grids[node.input[1]], means[node.input[0]]
        )
        for node in convolutions
    }
    for tensor in corrected.graph.initializer:
        if tensor.name in biases:
            tensor.CopyFrom(numpy_helper.from_array(biases[tensor.name], tensor.name))
    return _with_qdq(corrected, ranges, grids, sorted(kept))


def weight_grid(weight: NDArray[np.float32]) -> Grid:
    """The symmetric grid of max|w| / 64 per output channel; weight is (output, input, height, width)."""
    largest = np.abs(weight).max(axis=(1, 2, 3))
    scale = np.where(largest > 0, largest / np.float32(LARGEST_WEIGHT), 1).astype(np.float32)
    column = scale[:, None, None, None]
    return Grid(scale, np.rint(weight / column) * column)


def corrected_bias(bias, weight, grid: Grid, means: ChannelMeans):
    """Bias less the mean error that rounding makes: b - (Wq E[Q(x)] - W E[x])."""
    exact = weight.sum(axis=(2, 3), dtype=np.float64) @ means.exact
    rounded = grid.rounded.sum(axis=(2, 3), dtype=np.float64) @ means.rounded
    return (bias - (rounded - exact)).astype(np.float32)


def _float_nodes(model: ModelProto, float_convolutions: Sequence[str]) -> set[str]:
    """The convolutions that stay float, the Relu behind each, and what leads to no other convolution."""
    convolutions = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    unknown = [name for name in float_convolutions if name not in convolutions]
    if unknown:
        raise QuantizationError(f"float_convolutions: the network has no convolution {unknown[0]}")
    outputs = {convolutions[name].output[0] for name in float_convolutions}
    relus = {n.name for n in model.graph.node if n.op_type == "Relu" and n.input[0] in outputs}
    wanted: set[str] = set()
    tail: set[str] = set()
    for node in reversed(model.graph.node):
        if (node.op_type == "Conv" and node.name not in float_convolutions) or wanted.intersection(node.output):
            wanted.update(node.input)
        else:
            tail.add(node.name)
    return {*float_convolutions, *relus, *tail}


def _with_qdq(model, ranges, grids, excluded):
    overrides = {
        name: [
            {"axis": 0, "scale": scale, "zero_point": np.int8(0), "quant_type": QuantType.QInt8}
            for scale in grid.scale
        ]
        for name, grid in grids.items()
    }
    model = shape_inference.infer_shapes(model)
    data = {name: TensorData(lowest=found.lowest, highest=found.highest) for name, found in ranges.items()}
    op_types = sorted({n.op_type for n in model.graph.node})
    import os

    op_types = [o for o in op_types if o not in os.environ.get("NOQ", "").split(",")]
    q = QDQQuantizer(
        model,
        True,
        False,
        QuantType.QInt8,
        QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, data),
        [],
        excluded,
        op_types,
        {"TensorQuantOverrides": overrides},
    )
    q.quantize_model()
    return q.model.model
