"""Nodes and constants to add to a graph, under names that cannot clash with the graph's own."""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper


class Nodes:
    """A growing list of nodes and constants; `prefix` begins every new name."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix

    def constant(self, value: NDArray[np.generic]) -> str:
        """Add a constant; answers its name."""
        name = f"{self._prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def floats(self, *values: float) -> str:
        """Add a constant, float32 (len(values),); answers its name."""
        return self.constant(np.array(values, np.float32))

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: int | str | list[int]) -> str:
        """Add a node with one output; answers the output's name."""
        name = f"{self._prefix}/{op_type}_{len(self.nodes)}"
        node = NodeProto(op_type=op_type, name=name, input=inputs, output=[output or name])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return output or name
