"""Convolutions with one output channel, which make the planes of the mask, as products of 8-bit integers.

As float convolutions they would read a quantized tensor as float32, four times the bytes, to make one plane.
The same sum in another order, with a column for each tap (dy, dx) of the kernel:

    product[y, x, tap] = sum over the channels of quantized[y, x, channel] * weight[channel, tap]
    plane[y, x]        = sum over the taps of product[y + dy, x + dx, tap]

The first is a matrix product of integers, the second a float convolution of few channels. Weights of 8 bits
would make the mask worse, so each weight is the sum of two: a multiple of a coarse scale, and one of a fine
scale for what is left.
"""

from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from model_build.nodes import Nodes

_MOST = 63
"""Largest weight: without VNNI, a processor adds two products with 255 in 16 bits."""

type Floats = NDArray[np.float32]


def with_planes_as_products(int8: ModelProto) -> ModelProto:
    """The quantized graph, in which float convolutions with one output channel read 8-bit integers."""
    result = deepcopy(int8)
    graph = result.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    dequantized = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    nodes: list[NodeProto] = []
    spared: set[str] = set()
    for node in graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "Conv" else None
        if weight is None or len(weight.dims) != 4 or weight.dims[0] != 1 or node.input[0] not in dequantized:
            nodes.append(node)
            continue
        added = _product(node, dequantized[node.input[0]], numpy_helper.to_array(weight), constants)
        nodes.extend(added.nodes)
        graph.initializer.extend(added.constants)
        spared.add(node.input[0])
    spared -= {name for node in nodes for name in node.input}
    del graph.node[:]
    graph.node.extend(node for node in nodes if node.output[0] not in spared)
    return result


def _product(node: NodeProto, source: NodeProto, weight: Floats, constants: dict[str, TensorProto]) -> Nodes:
    """The nodes in place of a convolution of what `source` dequantizes.

    weight: float32 (1, channels, height, width).
    """
    quantized, scale, zero = source.input
    _, channels, height, width = weight.shape
    by_tap = weight.reshape(channels, height * width) * numpy_helper.to_array(constants[scale])
    coarse, coarse_scale = _rounded(by_tap)
    fine, fine_scale = _rounded(by_tap - coarse * coarse_scale)
    scales = np.concatenate([coarse_scale, fine_scale])
    taps = np.tile(np.eye(height * width, dtype=np.float32), 2).T.reshape(-1, height, width)
    added = Nodes(node.name)
    rows = added.add("Transpose", quantized, perm=[0, 2, 3, 1])
    columns = added.constant(np.concatenate([coarse, fine], axis=1).astype(np.int8))
    product = added.add("Cast", added.add("MatMulInteger", rows, columns, zero), to=TensorProto.FLOAT)
    shifted = deepcopy(node)
    shifted.input[0] = added.add("Transpose", product, perm=[0, 3, 1, 2])
    shifted.input[1] = added.constant((taps * scales.reshape(-1, 1, 1))[np.newaxis])
    added.nodes.append(shifted)
    return added


def _rounded(columns: Floats) -> tuple[Floats, Floats]:
    """Whole numbers of at most _MOST and the scale of each column, whose product is about `columns`."""
    scale = (np.abs(columns).max(axis=0) / _MOST).astype(np.float32)
    scale[scale == 0] = 1
    return np.rint(columns / scale), scale
