"""Add nodes to a graph, and find the graphs inside nodes."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

ADDED = "segment/"
"""Begins the name of everything that is added, so that no name clashes with a published one."""
IMAGE, PLANES, MASK = f"{ADDED}image", f"{ADDED}planes", f"{ADDED}mask"
"""The input of what is built, that of the float network, and the output of what is built."""


def nested(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    """All graphs inside nodes, such as the branches of an If, at any depth."""
    for node in nodes:
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield graph
                yield from nested(graph.node)


class Nodes:
    """Nodes and constants to add to a graph; ADDED and `prefix` begin their names."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = f"{ADDED}{prefix}"

    def constant(self, value: NDArray[np.generic]) -> str:
        """Add a constant; returns its name."""
        name = f"{self._prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def floats(self, *values: float) -> str:
        """Add a constant, float32 (len(values),); returns its name."""
        return self.constant(np.array(values, np.float32))

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: int | str | list[int]) -> str:
        """Add a node with one output; returns the output's name."""
        name = f"{self._prefix}/{op_type}_{len(self.nodes)}"
        node = helper.make_node(op_type, inputs, [output or name], name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return output or name


def surround(
    graph: GraphProto, before: Nodes, picture: ValueInfoProto, after: Nodes, mask: ValueInfoProto
) -> None:
    """Put nodes before and after those of a graph, and make `picture` its input and `mask` its output."""
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *after.constants])
    graph.input.append(picture)
    graph.output.append(mask)
