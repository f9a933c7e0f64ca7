"""Planes that are enlarged, joined and weighted into one: as products of matrices instead.

Networks of several scales end so. Enlarging a plane linearly is a product with a matrix on either side. As
weighting is linear too, all planes share the product on one side: A1 (w1 P1 B1) + A2 (w2 P2 B2) + ... is
[w1 A1, w2 A2, ...] times P1 B1, P2 B2, ... under each other.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from model_build.levels import attribute
from model_build.nodes import Nodes, shapes

_HALF_PIXEL = (b"half_pixel", b"pytorch_half_pixel")


def with_products(model: ModelProto) -> ModelProto:
    """The graph with each such end replaced; one without such an end stays as it is."""
    sizes = shapes(model)
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.value_info[:]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    reads = [name for node in graph.node for name in node.input] + [each.name for each in graph.output]
    for node in list(graph.node):
        joined = makers.get(node.input[0]) if node.op_type == "Conv" else None
        if joined is None or joined.op_type != "Concat" or reads.count(joined.output[0]) > 1:
            continue
        parts = [makers[name] for name in joined.input if name in makers]
        enlarged = [each for each in parts if _is_enlarged(each, sizes) and reads.count(each.output[0]) == 1]
        weights = constants.get(node.input[1], np.empty(0))
        if not enlarged or weights.shape != (1, len(joined.input), 1, 1) or len(node.input) < 3:
            continue
        added = _sum(node, joined, enlarged, weights.ravel(), sizes)
        position = list(graph.node).index(node)
        for offset, each in enumerate(added.nodes):
            graph.node.insert(position + offset, each)
        graph.initializer.extend(added.constants)
        for replaced in (node, joined, *enlarged):
            graph.node.remove(replaced)
    used = {name for node in graph.node for name in node.input}
    unused = [tensor for tensor in graph.initializer if tensor.name not in used]
    for tensor in unused:
        graph.initializer.remove(tensor)
    return result


def _is_enlarged(node: NodeProto, sizes: dict[str, list[int]]) -> bool:
    """Whether a node enlarges one plane linearly."""
    return (
        node.op_type == "Resize"
        and attribute(node, "mode") == b"linear"
        and attribute(node, "coordinate_transformation_mode") in _HALF_PIXEL
        and [sizes.get(name, [])[:2] for name in (node.input[0], node.output[0])] == [[1, 1], [1, 1]]
        and all(np.greater_equal(sizes[node.output[0]], sizes[node.input[0]]))
    )


def _sum(
    node: NodeProto,
    joined: NodeProto,
    enlarged: list[NodeProto],
    weights: NDArray[np.float32],
    sizes: dict[str, list[int]],
) -> Nodes:
    """What computes the output of `node`, a convolution of 1 x 1 over the planes in `joined`."""
    nodes = Nodes(f"head/{node.name}")
    sources = {each.output[0]: each.input[0] for each in enlarged}
    _, _, rows, columns = sizes[node.output[0]]
    total = node.input[2]
    wide, tall = [], []
    for name, weight in zip(joined.input, weights, strict=True):
        if name in sources:
            _, _, height, width = sizes[sources[name]]
            wide.append(
                nodes.add("MatMul", sources[name], nodes.constant(_enlarging(columns, width).T.copy()))
            )
            tall.append(_enlarging(rows, height) * weight)
        else:
            total = nodes.add("Add", nodes.add("Mul", name, nodes.floats(weight)), total)
    under_each_other = nodes.add("Concat", *wide, axis=2)
    product = nodes.add("MatMul", nodes.constant(np.hstack(tall)), under_each_other)
    nodes.add("Add", product, total, output=node.output[0])
    return nodes


def _enlarging(size: int, source: int) -> NDArray[np.float32]:
    """float32 (size, source): linear between the centres of `source` cells, the border repeated."""
    position = ((np.arange(size) + 0.5) * source / size - 0.5).clip(0, source - 1)
    distance = np.abs(np.subtract.outer(position, np.arange(source)))
    weights: NDArray[np.float32] = np.clip(1 - distance, 0, None).astype(np.float32)
    return weights
