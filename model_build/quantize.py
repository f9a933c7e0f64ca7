"""Quantizes a float32 network with ONNX Runtime's quantizer, in several ways.

Activations become unsigned 8-bit integers, weights signed 7-bit integers, with a scale for each output
channel: without VNNI a processor adds two products in 16 bits, and 255 * (64 + 64) still fits. Convolutions
with one output channel, which make the planes of the mask, and all nodes that depend only on them stay float:
a quantized plane would show as steps in the mask.
"""

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

from model_build.bias_correction import channel_means, with_corrected_biases
from model_build.joins import with_levels_of_joins
from model_build.planes import with_planes_as_products

_BY_PICTURE = {"CalibStridedMinMax": 1}
"""Otherwise all tensors of all pictures are in memory at once."""


@dataclass(frozen=True)
class Recipe:
    """One way to quantize.

    `percentile`: the percentage of a tensor's values that its quantized range covers; None for all.
    `wide`: activations are stored in 16 bits; ONNX Runtime computes them in float.
    `float_from`: the name of a convolution that stays float, with all nodes after it.
    """

    name: str
    percentile: float | None = None
    wide: bool = False
    float_from: str | None = None


INT8 = Recipe("int8")


class Quantizer:
    """A float graph, with the measured ranges of its tensors and means of their channels."""

    def __init__(
        self,
        model: ModelProto,
        float_convolutions: Sequence[str],
        pictures: Sequence[NDArray[np.float32]],
        folder: Path,
        step: Callable[[str], None],
    ) -> None:
        """`model`: every convolution has a bias, as `graph.float_graph` leaves it.

        pictures: calibration inputs, float32 (1, 3, side, side), normalised. `folder` is for temporary files;
        `step` is called with a line for a step. Raises ValueError for a name in `float_convolutions` that is
        no convolution of the graph.
        """
        self._model = model
        self._kept = _float_nodes(model, float_convolutions)
        self._pictures = pictures
        self._folder = folder
        self._step = step
        self._means = channel_means(model, pictures)
        self.convolutions = [
            node.name for node in model.graph.node if node.op_type == "Conv" and node.name not in self._kept
        ]
        """The convolutions that `INT8` quantizes, in the order of the graph."""
        onnx.save(model, folder / "float.onnx")

    def made(self, recipe: Recipe = INT8) -> ModelProto:
        """The graph with QuantizeLinear and DequantizeLinear nodes, its biases corrected."""
        target, ranges = self._folder / "quantized.onnx", self._folder / f"{recipe.percentile}.json"
        if not ranges.is_file():
            self._step(f"measuring the range of each tensor, {len(self._pictures)} pictures")
        spans: dict[str, object] = {"calibrate_method": CalibrationMethod.MinMax}
        if recipe.percentile is not None:
            options = _BY_PICTURE | {"CalibPercentile": recipe.percentile, "CalibTensorRangeSymmetric": False}
            spans = {"calibrate_method": CalibrationMethod.Percentile, "extra_options": options}
        names = [node.name for node in self._model.graph.node]
        after = [] if recipe.float_from is None else names[names.index(recipe.float_from) :]
        with redirect_stdout(StringIO()):  # the quantizer prints what it does
            quantize_static(
                self._folder / "float.onnx",
                target,
                _Reader(self._model.graph.input[0].name, self._pictures),
                per_channel=True,
                reduce_range=not recipe.wide,
                activation_type=QuantType.QUInt16 if recipe.wide else QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=sorted(self._kept.union(after)),
                calibration_cache_path=ranges,
                **spans,
            )
        levels = with_corrected_biases(self._model, onnx.load(target), self._means)
        return with_levels_of_joins(levels if recipe.wide else with_planes_as_products(levels))


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives the quantizer one picture per call, then None; all of them, or those of a range."""

    def __init__(self, name: str, pictures: Sequence[NDArray[np.float32]]) -> None:
        self._feeds = [{name: picture} for picture in pictures]
        self.set_range(0, len(self))

    def __len__(self) -> int:
        return len(self._feeds)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._rest = iter(self._feeds[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._rest, None)


def _float_nodes(model: ModelProto, named: Sequence[str]) -> set[str]:
    """The names of the nodes that no recipe quantizes."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    unknown = set(named) - {node.name for node in convolutions}
    if unknown:
        raise ValueError(f"the graph has no convolution {min(unknown)}")
    outputs = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    planes = [node for node in convolutions if outputs.get(node.input[1]) == 1]
    kept = {*named, *(node.name for node in planes)}
    follows = {name for node in planes for name in node.output}
    computed = {name for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        reads = computed.intersection(node.input)
        if reads and reads <= follows:
            follows.update(node.output)
            kept.add(node.name)
    return kept
