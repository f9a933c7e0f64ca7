"""Bias correction: rounding the weights shifts the mean of each channel, and the biases take that back.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019), with measured
means instead of assumed ones: b' = b - (W' - W) E[x], where ' means rounded and x is the input in the float
network. Means of the input in the quantized network would count the shift of earlier layers again in each
later one, and make the masks worse than no correction.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from model_build.nodes import Nodes

_THREADS = 2
"""Fixed, because the order of additions may depend on the number of threads."""

type Floats = NDArray[np.float32]


def with_corrected_biases(
    model: ModelProto, int8: ModelProto, means: Mapping[str, NDArray[np.float64]]
) -> ModelProto:
    """The quantized graph with corrected int32 biases.

    model: the float graph it was made from. means: its `channel_means`.
    """
    corrected = deepcopy(int8)
    constants = {tensor.name: tensor for tensor in corrected.graph.initializer}
    dequantized = {
        node.output[0]: [constants[name] for name in node.input]
        for node in corrected.graph.node
        if node.op_type == "DequantizeLinear" and constants.keys() >= {*node.input}
    }
    floats = {tensor.name: tensor for tensor in model.graph.initializer}
    exact = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    for node in corrected.graph.node:
        if node.op_type != "Conv" or len(node.input) < 3 or not dequantized.keys() >= {*node.input[1:]}:
            continue
        reads, before = exact[node.name].input[:2]
        rounded, scale = map(numpy_helper.to_array, dequantized[node.input[1]][:2])
        weight = numpy_helper.to_array(floats[before])
        error = rounded * scale.reshape(-1, *[1] * (weight.ndim - 1)) - weight
        shift = _mean_output(node, error, means[reads])
        bias, step = dequantized[node.input[2]][:2]
        steps = np.rint(shift / numpy_helper.to_array(step)).astype(np.int32)
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) - steps, bias.name))
    return corrected


def _mean_output(node: NodeProto, weight: Floats, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each output channel without the bias, float64 (outputs,), as if there were no borders."""
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    by_output = means.reshape(groups, -1).repeat(len(weight) // groups, axis=0)
    taps = tuple(range(2, weight.ndim))
    return np.sum(weight.sum(axis=taps, dtype=np.float64) * by_output, axis=1)


def channel_means(model: ModelProto, pictures: Sequence[Floats]) -> dict[str, NDArray[np.float64]]:
    """For each input of a convolution, by its name: the mean of each channel, float64 (channels,).

    model: a float graph. pictures: its inputs, float32 (1, 3, side, side), normalised.
    """
    reads = (node.input[0] for node in model.graph.node if node.op_type == "Conv")
    wanted, probes = list(dict.fromkeys(reads)), Nodes("probe")
    outputs = [probes.add("GlobalAveragePool", name) for name in wanted]
    probed = deepcopy(model)
    probed.graph.node.extend(probes.nodes)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    options = ort.SessionOptions()
    options.intra_op_num_threads = _THREADS
    session = ort.InferenceSession(probed.SerializeToString(), options, ["CPUExecutionProvider"])
    found = [session.run(outputs, {model.graph.input[0].name: picture}) for picture in pictures]
    means = (np.mean(each, axis=0, dtype=np.float64).ravel() for each in zip(*found, strict=True))
    return dict(zip(wanted, means, strict=True))
