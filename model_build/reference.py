"""The float32 network run as its authors run it: the yardstick for the shipped model."""

from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from model_build.ends import TINY
from model_build.errors import GraphError, told_as
from model_build.manifest import Input, Network, Output
from model_build.published import published_graph


class Reference:
    """A network in float32, with its own normalisation in numpy."""

    def __init__(self, network: Network, weights: Path, side: int, threads: int = 2) -> None:
        """`weights`: the ONNX file that `fetch.verified_weights` answers; `side`: what it is to see."""
        self._network = network
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        model = published_graph(weights, network, side)
        self._input = model.graph.input[0].name
        with told_as(GraphError, network.name):
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )

    def mask(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 RGB (side, side, 3), 0..255 -> float32 (side, side), 0 background .. 1 foreground."""
        described = self._network
        with told_as(GraphError, described.name):
            (raw,) = self._session.run(None, {self._input: normalise(rgb, described.input)})
        return mask_values(cast(NDArray[np.float32], raw), described.output).reshape(rgb.shape[:2])


def normalise(rgb: NDArray[np.uint8], described: Input) -> NDArray[np.float32]:
    """uint8 RGB (side, side, 3), 0..255 -> float32 (1, 3, side, side), what the float network takes."""
    pixels = rgb.astype(np.float32)
    divisor = max(float(pixels.max()), TINY) if described.divide_by == "maximum" else described.divide_by
    mean, std = np.array(described.mean, np.float32), np.array(described.std, np.float32)
    scaled = (pixels / np.float32(divisor) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[np.newaxis])


def mask_values(raw: NDArray[np.float32], described: Output) -> NDArray[np.float32]:
    """float32 output of the network, any shape -> float32 of the same shape, 0..1."""
    match described.values:
        case "relative":
            span = max(float(raw.max() - raw.min()), TINY)
            return (raw - raw.min()) / np.float32(span)
        case "logit":
            return np.float32(1) / (np.float32(1) + np.exp(-raw))
        case "probability":
            return raw.clip(0, 1)
