"""Float32 network to int8: unsigned 8-bit activations, signed 7-bit weights per output channel.

The arithmetic is that of Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (CVPR 2018). docs/models.md says why.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from model_build.calibrate import channel_statistics, observed
from model_build.errors import QuantizationError
from model_build.levels import (
    attribute,
    held_in_levels,
    level_steps,
    measured_tensors,
    narrow_convolutions,
    quantized_convolutions,
    wanted_levels,
)
from model_build.lower import lowered
from model_build.prune import pruned
from model_build.rounding import drift, rounded_convolution


def quantized(
    model: ModelProto,
    float_convolutions: Collection[str],
    pictures: Sequence[NDArray[np.float32]],
    step: Callable[[str], None],
) -> ModelProto:
    """The float graph, pruned, with 8-bit levels where convolutions and Relus follow each other.

    model: every convolution has a bias, as `graph.float_graph` leaves it.
    pictures: calibration inputs, float32 (1, 3, side, side), normalised. `step` is told what begins.
    Raises QuantizationError for a name in `float_convolutions` that is no convolution of the graph, and
    for a convolution whose weight or bias is no constant.
    """
    step(f"measuring the range of each channel, {len(pictures)} pictures")
    statistics = channel_statistics(model, measured_tensors(model), pictures)
    model = pruned(model, {name: channels.energies for name, channels in statistics.items()})
    steps = level_steps(model, {name: float(each.peaks.max()) for name, each in statistics.items()})
    relus = quantized_convolutions(model, float_convolutions, steps)
    narrow = narrow_convolutions(model, relus.keys(), steps)
    held = held_in_levels(model, relus.values(), wanted_levels(model, narrow | relus.keys(), steps))
    readers = [node for node in model.graph.node if node.op_type == "Conv" and node.input[0] in held]
    parameters = {node.name: _parameters(node, model) for node in readers}
    step(f"looking at what each convolution reads, {len(pictures)} pictures")
    seen = observed(model, readers, steps, pictures)
    step(f"rounding {len(relus)} convolutions")
    corrected = ModelProto()
    corrected.CopyFrom(model)
    biases = {tensor.name: tensor for tensor in corrected.graph.initializer}
    rounded = {}
    for node in readers:
        weight, bias = parameters[node.name]
        reads = seen.pop(node.name)
        if node.name in relus:
            rounded[node.name] = (relus[node.name], rounded_convolution(weight, bias, _groups(node), reads))
        else:
            better = (bias - drift(weight, weight, _groups(node), reads)).astype(np.float32)
            biases[node.input[2]].CopyFrom(numpy_helper.from_array(better, node.input[2]))
    return lowered(corrected, steps, rounded, narrow)


def _parameters(node: NodeProto, model: ModelProto) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of a convolution."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    if not constants.keys() >= set(node.input[1:]):
        raise QuantizationError(f"{node.name}: weight and bias of a quantized convolution must be constants")
    weight, bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
    return weight, bias


def _groups(node: NodeProto) -> int:
    groups = attribute(node, "group")
    return groups if isinstance(groups, int) else 1
