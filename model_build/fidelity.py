"""The published network in ONNX Runtime, and how much the masks of a built one differ from its masks."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from model_build.ends import TINY
from model_build.errors import told_as
from model_build.manifest import Input, Network, Output
from model_build.nodes import PLANES
from model_build.photos import held_out_pictures
from model_build.published import published_graph
from shared_code.matte.network import OnnxNetwork

_THREADS = 2
_FLOAT_PICTURES = 2
"""A large network takes many seconds for a picture, and in float32 a wrong one shows on any picture."""


class Reference:
    """The published network in float32, with its normalisation in numpy. Raises BuildError."""

    def __init__(self, network: Network, weights: Path, side: int) -> None:
        """`weights`: the path from `fetch.verified_weights`; `side`: of the pictures, in pixels."""
        self._network = network
        options = ort.SessionOptions()
        options.intra_op_num_threads = _THREADS
        model = published_graph(weights, network, side).SerializeToString()
        with told_as(network.name):
            self._session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])

    def mask(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 RGB (side, side, 3), 0..255 -> float32 (side, side), 0 background .. 1 foreground."""
        with told_as(self._network.name):
            (raw,) = self._session.run(None, {PLANES: normalise(rgb, self._network.input)})
        return mask_values(cast(NDArray[np.float32], raw), self._network.output).reshape(rgb.shape[:2])


def normalise(rgb: NDArray[np.uint8], described: Input) -> NDArray[np.float32]:
    """uint8 RGB (side, side, 3), 0..255 -> float32 (1, 3, side, side), the input of the float network."""
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
            return np.float32(1) / (np.float32(1) + np.exp(-raw.clip(-80)))
        case "probability":
            return raw.clip(0, 1)


class Yardstick:
    """Compares built forms of a network with the published one, whose masks it computes once."""

    def __init__(self, network: Network, weights: Path) -> None:
        """`weights`: the path from `fetch.verified_weights`."""
        self._network = network
        self._weights = weights
        self._exact: dict[int, list[NDArray[np.float32]]] = {}

    def differences(self, model: bytes) -> dict[int, float]:
        """Mean absolute difference, 0..1, of the masks of `model` to the published ones, by side in pixels.

        Over all held-out photos, or over a few where the manifest has no quantization. Raises BuildError.
        """
        with told_as(self._network.name):
            shipped = OnnxNetwork(self._network.built(), model, _THREADS)
            sides = filter(None, (shipped.side, shipped.second_side))
            return {side: self._difference(shipped, side) for side in sides}

    def _difference(self, shipped: OnnxNetwork, side: int) -> float:
        if side not in self._exact:
            exact = Reference(self._network, self._weights, side)
            self._exact[side] = [exact.mask(rgb) for rgb in self._photos(side)]
        pairs = zip(self._photos(side), self._exact[side], strict=True)
        return float(np.mean([np.abs(shipped.mask(rgb) / 255 - mask).mean() for rgb, mask in pairs]))

    def _photos(self, side: int) -> Iterator[NDArray[np.uint8]]:
        few = _FLOAT_PICTURES if self._network.quantization is None else None
        return islice(held_out_pictures(side), few)
