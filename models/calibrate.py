"""What flows through the float network: the range of every tensor, and channel means of some."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, helper

from models.nodes import Nodes

_THREADS = 2
"""Fixed, because the order in which sums are formed may follow the number of threads."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of a tensor over the calibration pictures."""

    lowest: np.float32
    highest: np.float32

    @property
    def scale(self) -> np.float32:
        """The step between 256 levels that cover the range and 0."""
        step = (max(self.highest, np.float32(0)) - min(self.lowest, np.float32(0))) / np.float32(255)
        return np.float32(step if step > 0 else 1)

    @property
    def zero_point(self) -> np.uint8:
        """The level that stands for 0."""
        return np.uint8(np.rint(-min(self.lowest, np.float32(0)) / self.scale))


@dataclass(frozen=True)
class ChannelMeans:
    """Mean of a tensor per channel, float64 (channels,): as it is, and after rounding to 256 levels."""

    exact: NDArray[np.float64]
    rounded: NDArray[np.float64]


def tensor_ranges(model: ModelProto, pictures: Iterable[NDArray[np.float32]]) -> dict[str, Range]:
    """The range of the input and of every node's output.

    pictures: inputs of the network, float32 (1, 3, side, side), normalised.
    """
    names = [model.graph.input[0].name, *(output for node in model.graph.node for output in node.output)]
    probes = _Probes()
    for name in names:
        probes.ask(probes.add("ReduceMin", name, keepdims=0))
        probes.ask(probes.add("ReduceMax", name, keepdims=0))
    answers = np.array(list(probes.run(model, pictures)), np.float32)
    lowest, highest = answers[:, 0::2].min(axis=0), answers[:, 1::2].max(axis=0)
    return {name: Range(lowest[i], highest[i]) for i, name in enumerate(names)}


def channel_means(
    model: ModelProto,
    ranges: Mapping[str, Range],
    names: Sequence[str],
    pictures: Iterable[NDArray[np.float32]],
) -> dict[str, ChannelMeans]:
    """Means over pictures and positions of the tensors `names`, each (1, channels, height, width).

    pictures: inputs of the network, float32 (1, 3, side, side), normalised.
    """
    probes = _Probes()
    for name in names:
        scale = probes.constant(np.array(ranges[name].scale))
        zero_point = probes.constant(np.array(ranges[name].zero_point))
        levels = probes.add("QuantizeLinear", name, scale, zero_point)
        rounded = probes.add("DequantizeLinear", levels, scale, zero_point)
        probes.ask(probes.add("ReduceMean", name, axes=[0, 2, 3], keepdims=0))
        probes.ask(probes.add("ReduceMean", rounded, axes=[0, 2, 3], keepdims=0))
    answers = list(probes.run(model, pictures))
    means = [np.mean(np.array(column, np.float64), axis=0) for column in zip(*answers, strict=True)]
    return {name: ChannelMeans(means[2 * i], means[2 * i + 1]) for i, name in enumerate(names)}


class _Probes(Nodes):
    """Nodes that look into a graph without changing what it computes."""

    def __init__(self) -> None:
        super().__init__("probe")
        self._asked: list[str] = []

    def ask(self, name: str) -> None:
        """Let `run` answer this tensor."""
        self._asked.append(name)

    def run(
        self, model: ModelProto, pictures: Iterable[NDArray[np.float32]]
    ) -> Iterator[list[NDArray[np.float32]]]:
        """The asked tensors for each picture, in the order of asking."""
        probed = ModelProto()
        probed.CopyFrom(model)
        probed.graph.node.extend(self.nodes)
        probed.graph.initializer.extend(self.constants)
        del probed.graph.output[:]
        probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in self._asked)
        options = ort.SessionOptions()
        options.intra_op_num_threads = _THREADS
        session = ort.InferenceSession(probed.SerializeToString(), options, ["CPUExecutionProvider"])
        for picture in pictures:
            yield session.run(self._asked, {model.graph.input[0].name: picture})
