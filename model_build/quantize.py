"""Float32 network to int8 with ONNX Runtime's own tool.

Activations are unsigned 8-bit, weights signed 7-bit per output channel: without VNNI a processor adds two
products of a pair in 16 bits, and 255 * (64 + 64) still fits. Convolutions of one output, which make the
mask's planes, and all that follows only from them stay float: a plane in 256 levels is a mask in steps.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from model_build.bias_correction import with_corrected_biases
from model_build.errors import QuantizationError
from model_build.joins import with_levels_of_joins
from model_build.manifest import Quantization
from model_build.planes import with_planes_as_products


def quantized(
    model: ModelProto,
    described: Quantization,
    pictures: Sequence[NDArray[np.float32]],
    step: Callable[[str], None],
) -> ModelProto:
    """The float graph with pairs of quantize and dequantize nodes, its biases corrected.

    model: every convolution has a bias, as `graph.float_graph` leaves it.
    pictures: calibration inputs, float32 (1, 3, side, side), normalised. `step` is told what begins.
    Raises QuantizationError for a name in `float_convolutions` that is no convolution of the graph.
    """
    kept = _float_nodes(model, described.float_convolutions)
    step(f"measuring the range of each tensor, {len(pictures)} pictures")
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Reader(model.graph.input[0].name, iter(pictures)),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted(kept),
        )
        int8 = onnx.load(target)
    step("correcting the biases")
    int8 = with_corrected_biases(model, int8, pictures)
    return with_levels_of_joins(with_planes_as_products(int8))


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Pictures as the tool wants them: one a call, then None."""

    def __init__(self, name: str, pictures: Iterator[NDArray[np.float32]]) -> None:
        self._name = name
        self._pictures = pictures

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        picture = next(self._pictures, None)
        return None if picture is None else {self._name: picture}


def _float_nodes(model: ModelProto, named: Sequence[str]) -> set[str]:
    """The names of the nodes that are not quantized."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    unknown = set(named) - {node.name for node in convolutions}
    if unknown:
        raise QuantizationError(f"the graph has no convolution {min(unknown)}")
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
