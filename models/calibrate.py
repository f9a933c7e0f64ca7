"""What flows through the float network: the range of every tensor, and the mean input of every convolution."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

THREADS = 2
"""Fixed, because the order in which sums are formed may follow the number of threads."""

type Pictures = Iterable[NDArray[np.float32]]
"""Inputs of the float network, float32 (1, 3, side, side), normalised."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of a tensor over the calibration pictures."""

    lowest: np.float32
    highest: np.float32

    @property
    def scale(self) -> np.float32:
        """The step between the 256 levels; the levels cover the range and 0."""
        step = (max(self.highest, np.float32(0)) - min(self.lowest, np.float32(0))) / np.float32(255)
        return np.float32(step) if step > 0 else np.float32(1)

    @property
    def zero_point(self) -> np.uint8:
        """The level that stands for 0."""
        return np.uint8(np.rint(-min(self.lowest, np.float32(0)) / self.scale))


@dataclass(frozen=True)
class ChannelMeans:
    """Mean of a tensor per channel, float64 (channels,): as it is, and after rounding to 256 levels."""

    exact: NDArray[np.float64]
    rounded: NDArray[np.float64]


def tensor_ranges(model: ModelProto, pictures: Pictures) -> dict[str, Range]:
    """The range of the input and of every node's output over the pictures."""
    names = [model.graph.input[0].name, *(output for node in model.graph.node for output in node.output)]
    probes = [
        helper.make_node(op_type, [name], [f"{op_type}/{name}"], keepdims=0)
        for op_type in ("ReduceMin", "ReduceMax")
        for name in names
    ]
    values = np.stack([np.array(row, np.float32) for row in _run(model, probes, [], pictures)])
    lowest, highest = values.min(axis=0)[: len(names)], values.max(axis=0)[len(names) :]
    return {name: Range(*pair) for name, *pair in zip(names, lowest, highest, strict=True)}


def channel_means(
    model: ModelProto, ranges: Mapping[str, Range], names: Sequence[str], pictures: Pictures
) -> dict[str, ChannelMeans]:
    """Means of the tensors `names`, each (1, channels, height, width), over pictures and positions."""
    probes: list[NodeProto] = []
    constants: list[TensorProto] = []
    for name in names:
        scale, zero, levels, rounded = (f"{part}/{name}" for part in ("scale", "zero", "levels", "rounded"))
        constants.append(numpy_helper.from_array(np.array(ranges[name].scale), scale))
        constants.append(numpy_helper.from_array(np.array(ranges[name].zero_point), zero))
        probes.append(helper.make_node("QuantizeLinear", [name, scale, zero], [levels]))
        probes.append(helper.make_node("DequantizeLinear", [levels, scale, zero], [rounded]))
        for tensor in (name, rounded):
            probes.append(
                helper.make_node("ReduceMean", [tensor], [f"mean/{tensor}"], axes=[0, 2, 3], keepdims=0)
            )
    sums: list[NDArray[np.float64]] = []
    count = 0
    for row in _run(model, probes, constants, pictures):
        means = [value.astype(np.float64) for value in row]
        sums = [a + b for a, b in zip(sums, means, strict=True)] if sums else means
        count += 1
    return {
        name: ChannelMeans(exact / count, rounded / count)
        for name, exact, rounded in zip(names, sums[0::2], sums[1::2], strict=True)
    }


def _run(
    model: ModelProto, probes: Sequence[NodeProto], constants: Sequence[TensorProto], pictures: Pictures
) -> Iterable[list[NDArray[np.float32]]]:
    """Add the probes to the graph; for each picture answer what those that nobody consumes found."""
    probed = ModelProto()
    probed.CopyFrom(model)
    consumed = {name for node in probes for name in node.input}
    found = [node.output[0] for node in probes if node.output[0] not in consumed]
    probed.graph.node.extend(probes)
    probed.graph.initializer.extend(constants)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in found)
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(probed.SerializeToString(), options, ["CPUExecutionProvider"])
    for picture in pictures:
        yield session.run(found, {model.graph.input[0].name: picture})
