"""What rounding the weights does to the mean of each channel, taken back in the biases.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019), with measured
means instead of assumed ones: b' = b - (W' - W) E[x], where ' is rounded and x is what the float network
reads. Means of what the quantized network reads would count the drift of earlier layers again in each later
one, and make the masks worse than no correction.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from model_build.nodes import Nodes

_THREADS = 2
"""Fixed, because the order in which sums are formed may follow the number of threads."""

type Floats = NDArray[np.float32]


def with_corrected_biases(model: ModelProto, int8: ModelProto, pictures: Sequence[Floats]) -> ModelProto:
    """The quantized graph with corrected int32 biases.

    model: the float graph it was made from. pictures: float32 (1, 3, side, side), normalised.
    """
    corrected = ModelProto()
    corrected.CopyFrom(int8)
    constants = {tensor.name: tensor for tensor in (*model.graph.initializer, *corrected.graph.initializer)}
    made_by = {name: node for node in corrected.graph.node for name in node.output}
    exact = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    rounded = [
        node
        for node in corrected.graph.node
        if node.op_type == "Conv"
        and len(node.input) == 3
        and all(_levels(made_by, name) in constants for name in node.input[1:])
    ]
    means = _channel_means(model, [exact[node.name].input[0] for node in rounded], pictures)
    for node in rounded:
        reads, before = exact[node.name].input[:2]
        levels, unit, _ = (numpy_helper.to_array(constants[name]) for name in made_by[node.input[1]].input)
        weight = numpy_helper.to_array(constants[before])
        error = levels * unit.reshape(-1, *[1] * (weight.ndim - 1)) - weight
        drift = _mean_output(node, error, means[reads])
        bias, step = made_by[node.input[2]].input[:2]
        steps = np.rint(drift / numpy_helper.to_array(constants[step]))
        fixed = numpy_helper.to_array(constants[bias]) - steps.astype(np.int32)
        constants[bias].CopyFrom(numpy_helper.from_array(fixed, bias))
    return corrected


def _levels(made_by: Mapping[str, NodeProto], name: str) -> str:
    """What `name` is the real value of, or nothing."""
    node = made_by.get(name)
    return node.input[0] if node is not None and node.op_type == "DequantizeLinear" else ""


def _mean_output(node: NodeProto, weight: Floats, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean per output channel without the bias, float64 (outputs,), if borders did not matter."""
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    by_output = means.reshape(groups, -1).repeat(len(weight) // groups, axis=0)
    taps = tuple(range(2, weight.ndim))
    return np.sum(weight.sum(axis=taps, dtype=np.float64) * by_output, axis=1)


def _channel_means(
    model: ModelProto, names: Iterable[str], pictures: Sequence[Floats]
) -> dict[str, NDArray[np.float64]]:
    """The mean of each channel of each tensor over the pictures, float64 (channels,), by its name."""
    wanted, probes = list(dict.fromkeys(names)), Nodes("probe")
    outputs = [probes.add("GlobalAveragePool", name) for name in wanted]
    probed = ModelProto()
    probed.CopyFrom(model)
    probed.graph.node.extend(probes.nodes)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    options = ort.SessionOptions()
    options.intra_op_num_threads = _THREADS
    session = ort.InferenceSession(probed.SerializeToString(), options, ["CPUExecutionProvider"])
    found = [session.run(outputs, {model.graph.input[0].name: picture}) for picture in pictures]
    means = (np.mean(each, axis=0, dtype=np.float64).ravel() for each in zip(*found, strict=True))
    return dict(zip(wanted, means, strict=True))
