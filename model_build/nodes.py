"""Nodes and constants to add to a graph, under names that cannot clash with the graph's own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

_WINDOW = ("auto_pad", "kernel_shape", "pads", "strides", "dilations", "group", "ceil_mode")


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

    def weight(self, levels: NDArray[np.int8], units: NDArray[np.float32]) -> str:
        """Add the weight of a convolution, int8 (outputs, ...) in units (outputs,); answers its name."""
        zeros = np.zeros(len(levels), np.int8)
        parameters = (self.constant(each) for each in (levels, units, zeros))
        return self.add("DequantizeLinear", *parameters, axis=0)

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: int | list[int]) -> str:
        """Add a node with one output; answers the output's name."""
        name = f"{self._prefix}/{op_type}_{len(self.nodes)}"
        node = NodeProto(op_type=op_type, name=name, input=inputs, output=[output or name])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return output or name


def window(node: NodeProto) -> dict[str, Any]:
    """Where a convolution or pooling looks: its attributes that say so."""
    return {each.name: helper.get_attribute_value(each) for each in node.attribute if each.name in _WINDOW}


def shapes(model: ModelProto) -> dict[str, list[int]]:
    """The shape of each tensor that is computed, as far as it can be told; 0 where a size cannot."""
    graph = infer_shapes(model).graph
    return {
        each.name: [size.dim_value for size in each.type.tensor_type.shape.dim]
        for each in [*graph.value_info, *graph.output]
    }
