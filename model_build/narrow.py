"""Convolutions with few outputs: levels in, floats out.

Processors compute 16 outputs at once, and most of that would go to waste. So neighbours along a row are
computed as outputs of one wider window, which moves on by as many pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from model_build.levels import attribute
from model_build.nodes import Nodes, window
from model_build.rounding import LARGEST_WEIGHT

_ABREAST = 8

type Floats = NDArray[np.float32]


def add_narrow_convolution(
    nodes: Nodes, node: NodeProto, levels: str, weight: Floats, bias: Floats, shape: Sequence[int]
) -> None:
    """Add what computes the output of the convolution `node` from `levels`.

    weight: float32 (outputs, inputs, height, width), for levels; bias: float32 (outputs,).
    shape: of the output.
    """
    outputs, rows, columns = shape[1:]
    abreast = _ABREAST if _is_plain(node) and columns % _ABREAST == 0 else 1
    both, units = _in_two_parts(weight)
    look = window(node)
    if abreast > 1:
        look |= {"strides": [1, abreast], "kernel_shape": [both.shape[2], both.shape[3] + abreast - 1]}
    moved = [np.pad(both, ((0, 0), (0, 0), (0, 0), (k, abreast - 1 - k))) for k in range(abreast)]
    parts = nodes.add("Conv", levels, nodes.weight(np.concatenate(moved), np.tile(units, abreast)), **look)
    one = np.eye(outputs, dtype=np.float32)
    together = np.kron(np.eye(abreast, dtype=np.float32), np.hstack([one, one]))[:, :, np.newaxis, np.newaxis]
    biases = nodes.constant(np.tile(bias, abreast))
    sums = nodes.add("Conv", parts, nodes.constant(together), biases, kernel_shape=[1, 1])
    # (1, abreast * outputs, rows, columns / abreast) -> (1, outputs, rows, columns)
    split = nodes.constant(np.array([abreast, outputs, rows, columns // abreast], np.int64))
    in_order = nodes.add("Transpose", nodes.add("Reshape", sums, split), perm=[1, 2, 3, 0])
    nodes.add("Reshape", in_order, nodes.constant(np.array(shape, np.int64)), output=node.output[0])


def _is_plain(node: NodeProto) -> bool:
    """Whether each output's window lies one pixel beside its neighbour's."""
    steps = [attribute(node, name) for name in ("strides", "dilations")]
    return all(each in (None, [1, 1]) for each in steps) and attribute(node, "auto_pad") in (None, b"NOTSET")


def _in_two_parts(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Each weight as the sum of two of 7 bits, which is as good as float.

    Returns int8 (2 * outputs, ...) and what 1 is worth in each, float32 (2 * outputs,).
    """
    largest = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    coarse = np.maximum(largest, np.finfo(np.float32).tiny) / LARGEST_WEIGHT
    fine = coarse / (2 * LARGEST_WEIGHT)
    high = np.rint(weight / coarse)
    low = np.rint((weight - high * coarse) / fine)
    return np.concatenate([high, low]).astype(np.int8), np.concatenate([coarse, fine]).ravel()
