"""The convolutions of one output, which make the mask's planes, as products of matrices on levels.

Left as they are they read all of a quantized tensor in float, four times the bytes, to make one plane of it.
The same sum in another order, with a column for each tap (dy, dx) of the kernel:

    product[y, x, tap] = sum over the channels of levels[y, x, channel] * weight[channel, tap]
    plane[y, x]        = sum over the taps of product[y + dy, x + dx, tap]

The first is a product of integers, and the second a float convolution of few channels. As 8-bit weights would
make the mask worse, each weight is the sum of two: one in a coarse unit, one in a fine one for what is left.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from model_build.nodes import Nodes

_MOST = 63
"""Of a weight: without VNNI two products with 255 are added in 16 bits."""

type Floats = NDArray[np.float32]


def with_planes_as_products(int8: ModelProto) -> ModelProto:
    """The quantized graph, in which float convolutions of one output read levels and not floats."""
    result = ModelProto()
    result.CopyFrom(int8)
    graph = result.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    nodes: list[NodeProto] = []
    spared: set[str] = set()
    for node in graph.node:
        source = made_by.get(node.input[0]) if node.op_type == "Conv" else None
        weight = constants.get(node.input[1]) if source is not None else None
        if source is None or source.op_type != "DequantizeLinear" or weight is None or not _flat(weight):
            nodes.append(node)
            continue
        added = _product(node, source, numpy_helper.to_array(weight), constants)
        nodes.extend(added.nodes)
        spared.add(node.input[0])
        graph.initializer.extend(added.constants)
    spared -= {name for node in nodes for name in node.input}
    del graph.node[:]
    graph.node.extend(node for node in nodes if not spared.intersection(node.output))
    return result


def _flat(weight: TensorProto) -> bool:
    """Whether a convolution with it makes one plane of many."""
    return len(weight.dims) == 4 and weight.dims[0] == 1


def _product(node: NodeProto, source: NodeProto, weight: Floats, constants: dict[str, TensorProto]) -> Nodes:
    """The nodes in place of a convolution; weight: (1, channels, height, width), for levels of `source`."""
    levels, unit, zero = source.input
    _, channels, height, width = weight.shape
    by_tap = weight.reshape(channels, height * width) * numpy_helper.to_array(constants[unit])
    coarse, coarse_unit = _rounded(by_tap)
    fine, fine_unit = _rounded(by_tap - coarse * coarse_unit)
    units = np.concatenate([coarse_unit, fine_unit])
    taps = np.tile(np.eye(height * width, dtype=np.float32), 2).T.reshape(-1, height, width)
    added = Nodes(node.name)
    rows = added.add("Transpose", levels, perm=[0, 2, 3, 1])
    columns = added.constant(np.concatenate([coarse, fine], axis=1).astype(np.int8))
    product = added.add("Cast", added.add("MatMulInteger", rows, columns, zero), to=TensorProto.FLOAT)
    shifted = NodeProto()
    shifted.CopyFrom(node)
    shifted.input[0] = added.add("Transpose", product, perm=[0, 3, 1, 2])
    shifted.input[1] = added.constant((taps * units.reshape(-1, 1, 1))[np.newaxis])
    added.nodes.append(shifted)
    return added


def _rounded(columns: Floats) -> tuple[Floats, Floats]:
    """Whole numbers of at most _MOST and the unit of each column, whose product is about `columns`."""
    unit = (np.abs(columns).max(axis=0) / _MOST).astype(np.float32)
    unit[unit == 0] = 1
    return np.rint(columns / unit), unit
