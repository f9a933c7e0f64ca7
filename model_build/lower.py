"""A float graph to one that computes on 8-bit levels, in the operators of ONNX alone.

Every 8-bit tensor is rounded to whole numbers from 0 to 255 by a quantize and a dequantize node of scale 1:
what a level is worth is part of the weights and biases around it. So a runtime that knows such pairs computes
on bytes throughout, joins are copies, and any other runtime computes the same in float.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from model_build.levels import Steps, wanted_levels
from model_build.narrow import add_narrow_convolution
from model_build.nodes import Nodes, shapes, window
from model_build.rounding import RoundedConvolution


def lowered(
    model: ModelProto,
    steps: Steps,
    convolutions: Mapping[str, tuple[str, RoundedConvolution]],
    narrow: Collection[str],
) -> ModelProto:
    """The graph with the named convolutions, and all between them, on levels; the rest stays float.

    convolutions: by name, the output of the Relu behind it, and the rounded convolution.
    narrow: those that read levels and answer floats.
    """
    return _Lowering(model, steps, convolutions, narrow).run()


class _Lowering:
    """Goes through the graph once; every tensor is there in levels, in its own units, or both."""

    def __init__(
        self,
        model: ModelProto,
        steps: Steps,
        convolutions: Mapping[str, tuple[str, RoundedConvolution]],
        narrow: Collection[str],
    ) -> None:
        self._model = model
        self._steps = steps
        self._convolutions = convolutions
        self._relus = {relu for relu, _ in convolutions.values()}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._narrow = narrow
        self._shapes = shapes(model)
        self._wanted = wanted_levels(model, {*narrow, *convolutions}, steps)
        self._out = Nodes("levels")
        self._one = self._out.constant(np.array(1, np.float32))
        self._zero = self._out.constant(np.array(0, np.uint8))
        self._on_levels: Mapping[str, Callable[[NodeProto], str]] = {
            "Add": self._sum,
            "Concat": self._join,
            "MaxPool": self._pool,
            "Resize": self._resize,
        }
        self._levels: dict[str, str] = {}
        self._floats = {each.name for each in model.graph.input} | self._constants.keys()

    def run(self) -> ModelProto:
        """The graph on levels."""
        for node in self._model.graph.node:
            self._add(node)
        for output in self._model.graph.output:
            self._as_floats(output.name)
        result = ModelProto()
        result.CopyFrom(self._model)
        graph = result.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._out.nodes)
        used = {name for node in self._out.nodes for name in node.input}
        graph.initializer.extend(tensor for name, tensor in self._constants.items() if name in used)
        graph.initializer.extend(self._out.constants)
        return result

    def _add(self, node: NodeProto) -> None:
        output = node.output[0]
        if node.name in self._convolutions:
            relu, rounded = self._convolutions[node.name]
            self._levels[relu] = self._convolution(node, rounded, self._steps[relu])
        elif output in self._relus:
            pass  # the levels of its convolution begin at 0
        elif node.name in self._narrow:
            self._narrow_convolution(node)
        elif output in self._wanted and node.op_type in self._on_levels:
            self._levels[output] = self._on_levels[node.op_type](node)
        else:
            for name in node.input:
                self._as_floats(name)
            self._out.nodes.append(node)
            self._floats.update(node.output)

    def _convolution(self, node: NodeProto, rounded: RoundedConvolution, step: np.float32) -> str:
        weight = self._out.weight(rounded.weight, rounded.unit / step)
        bias = self._out.constant(rounded.bias / step)
        levels = self._as_levels(node.input[0])
        return self._rounded(self._out.add("Conv", levels, weight, bias, **window(node)))

    def _narrow_convolution(self, node: NodeProto) -> None:
        weight, bias = (numpy_helper.to_array(self._constants[name]) for name in node.input[1:])
        levels = self._as_levels(node.input[0])
        add_narrow_convolution(
            self._out, node, levels, weight * self._steps[node.input[0]], bias, self._shapes[node.output[0]]
        )
        self._floats.add(node.output[0])

    def _sum(self, node: NodeProto) -> str:
        output = node.output[0]
        return self._rounded(self._out.add("Add", *(self._in_levels_of(output, name) for name in node.input)))

    def _join(self, node: NodeProto) -> str:
        output = node.output[0]
        parts = [
            self._as_levels(name)
            if self._steps[name] == self._steps[output]
            else self._rounded(self._in_levels_of(output, name))
            for name in node.input
        ]
        return self._out.add("Concat", *parts, axis=1)

    def _pool(self, node: NodeProto) -> str:
        return self._out.add("MaxPool", self._as_levels(node.input[0]), **window(node))

    def _resize(self, node: NodeProto) -> str:
        resized = NodeProto()
        resized.CopyFrom(node)
        resized.input[0] = self._in_levels_of(node.output[0], node.input[0])
        resized.output[0] = f"levels/{node.output[0]}"
        self._out.nodes.append(resized)
        return self._rounded(resized.output[0])

    def _in_levels_of(self, name: str, source: str) -> str:
        """A tensor counted in the levels of another, not rounded to them."""
        share = self._out.constant(np.array(self._steps[source] / self._steps[name], np.float32))
        return self._out.add("Mul", self._as_levels(source), share)

    def _rounded(self, name: str) -> str:
        levels = self._out.add("QuantizeLinear", name, self._one, self._zero)
        return self._out.add("DequantizeLinear", levels, self._one, self._zero)

    def _as_levels(self, name: str) -> str:
        if name not in self._levels:
            share = self._out.constant(np.array(1 / self._steps[name], np.float32))
            self._levels[name] = self._rounded(self._out.add("Mul", name, share))
        return self._levels[name]

    def _as_floats(self, name: str) -> None:
        if name and name not in self._floats:
            step = self._out.constant(np.array(self._steps[name], np.float32))
            self._out.add("Mul", self._levels[name], step, output=name)
            self._floats.add(name)
