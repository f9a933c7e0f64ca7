"""What flows through the float network: how large tensors get, and what convolutions read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from model_build.levels import HIGHEST, attribute
from model_build.nodes import Nodes
from model_build.rounding import Observed

_THREADS = 2
"""Fixed, because the order in which sums are formed may follow the number of threads."""
_SAMPLES = 7200
_SEED = 5

type Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Statistics:
    """The largest value and the mean square of each channel, float32, (channels,)."""

    peaks: Floats
    energies: Floats


def channel_statistics(
    model: ModelProto, names: Sequence[str], pictures: Iterable[Floats]
) -> dict[str, Statistics]:
    """What the channels of each tensor are like over the pictures, by its name.

    pictures: inputs of the network, float32 (1, 3, side, side), normalised.
    """
    probes = Nodes("probe")
    wanted = []
    for name in names:
        wanted.append(probes.add("ReduceMax", name, axes=[0, 2, 3], keepdims=0))
        wanted.append(probes.add("ReduceMean", probes.add("Mul", name, name), axes=[0, 2, 3], keepdims=0))
    found = list(_run(model, probes, wanted, pictures))
    peaks = [np.max(each, axis=0) for each in zip(*(seen[::2] for seen in found), strict=True)]
    energies = [np.mean(each, axis=0) for each in zip(*(seen[1::2] for seen in found), strict=True)]
    return dict(zip(names, map(Statistics, peaks, energies), strict=True))


def observed(
    model: ModelProto,
    convolutions: Sequence[NodeProto],
    steps: Mapping[str, np.float32],
    pictures: Sequence[Floats],
) -> dict[str, Observed]:
    """What each convolution reads, by its name.

    pictures: inputs of the network, float32 (1, 3, side, side), normalised.
    """
    names = list(dict.fromkeys(node.input[0] for node in convolutions))
    kernels = {tensor.name: tensor.dims[2:] for tensor in model.graph.initializer}
    random = np.random.default_rng(_SEED)
    count = _SAMPLES // len(pictures)
    patches: dict[str, list[NDArray[np.uint8]]] = {node.name: [] for node in convolutions}
    means: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {name: [] for name in names}
    for tensors in _run(model, Nodes("probe"), names, pictures):
        levels = {}
        for name, (tensor,) in zip(names, tensors, strict=True):
            levels[name] = np.rint(tensor / steps[name]).clip(0, HIGHEST).astype(np.uint8)
            exact = tensor.mean(axis=(1, 2), dtype=np.float64)
            means[name].append((exact, levels[name].mean(axis=(1, 2), dtype=np.float64) * steps[name]))
        for node in convolutions:
            seen_by = _random_patches(levels[node.input[0]], node, kernels[node.input[1]], count, random)
            patches[node.name].append(seen_by)
    seen = {}
    for node in convolutions:
        exact, rounded = np.mean(means[node.input[0]], axis=0)
        together = np.concatenate(patches.pop(node.name))
        seen[node.name] = Observed(together, exact, rounded, steps[node.input[0]])
    return seen


def _random_patches(
    levels: NDArray[np.uint8],
    node: NodeProto,
    kernel: Sequence[int],
    count: int,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """What the kernel covers at `count` places: uint8 (count, channels * height * width).

    levels: uint8, (channels, rows, columns).
    """
    height, width = kernel
    top, left, bottom, right = _numbers(node, "pads", (0, 0, 0, 0))
    down, across = _numbers(node, "dilations", (1, 1))
    padded = np.pad(levels, ((0, 0), (top, bottom), (left, right)))
    rows = random.integers(0, padded.shape[1] - down * (height - 1), count)
    columns = random.integers(0, padded.shape[2] - across * (width - 1), count)
    found = np.empty((count, len(levels), height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            found[:, :, y, x] = padded[:, rows + y * down, columns + x * across].T
    return found.reshape(count, -1)


def _numbers(node: NodeProto, name: str, default: tuple[int, ...]) -> list[int]:
    value = attribute(node, name)
    return [int(each) for each in value] if isinstance(value, list) else list(default)


def _run(
    model: ModelProto, extra: Nodes, wanted: Sequence[str], pictures: Iterable[Floats]
) -> Iterator[list[Floats]]:
    """The tensors `wanted` for each picture, of the graph and of the nodes added to it."""
    probed = ModelProto()
    probed.CopyFrom(model)
    probed.graph.node.extend(extra.nodes)
    probed.graph.initializer.extend(extra.constants)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    options = ort.SessionOptions()
    options.intra_op_num_threads = _THREADS
    session = ort.InferenceSession(probed.SerializeToString(), options, ["CPUExecutionProvider"])
    for picture in pictures:
        yield session.run(wanted, {model.graph.input[0].name: picture})
