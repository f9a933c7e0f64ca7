"""A float graph to one that computes on 8-bit levels, channels last.

ONNX Runtime's own way (quantize and dequantize nodes around every operator, fused and transposed on loading)
leaves changes of layout, float pooling and rescaled joins in the graph; docs/models.md has the difference.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from models.levels import Steps, wanted_levels
from models.nodes import CONTRIBUTED_DOMAIN, Nodes
from models.rounding import LARGEST_WEIGHT, RoundedConvolution

_CHANNELS_LAST = [0, 2, 3, 1]
_CHANNELS_FIRST = [0, 3, 1, 2]
_WINDOW = ("auto_pad", "kernel_shape", "pads", "strides", "dilations")


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
    """Goes through the graph once; every tensor is there as levels, as floats, or both."""

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
        result.opset_import.append(helper.make_opsetid(CONTRIBUTED_DOMAIN, 1))
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
        constant = self._out.constant
        return self._out.add(
            "QLinearConv",
            *(self._as_levels(node.input[0]), self._one, self._zero),
            *(constant(rounded.weight), constant(rounded.unit / step)),
            constant(np.zeros(len(rounded.weight), np.int8)),
            *(self._one, self._zero, constant(rounded.bias)),
            channels_last=1,
            **_attributes(node, *_WINDOW, "group"),
        )

    def _narrow_convolution(self, node: NodeProto) -> None:
        """Levels in, floats out: a product with each weight of the kernel, then sums of shifted planes.

        Each weight is the sum of two of 7 bits, which is as good as float.
        """
        weight = numpy_helper.to_array(self._constants[node.input[1]])
        outputs, channels, *kernel = weight.shape
        matrix = weight.transpose(1, 0, 2, 3).reshape(channels, -1) * self._steps[node.input[0]]
        coarse = np.maximum(np.abs(matrix).max(axis=0), np.finfo(np.float32).tiny) / LARGEST_WEIGHT
        fine = coarse / (2 * LARGEST_WEIGHT)
        high = np.rint(matrix / coarse)
        low = np.rint((matrix - high * coarse) / fine)
        constant = self._out.constant
        products = self._out.add(
            "MatMulIntegerToFloat",
            self._as_levels(node.input[0]),
            constant(np.hstack([high, low]).astype(np.int8)),
            self._one,
            constant(np.concatenate([coarse, fine]).astype(np.float32)),
            self._zero,
            constant(np.zeros(2 * coarse.size, np.int8)),
        )
        planes = self._out.add("Transpose", products, perm=_CHANNELS_FIRST)
        columns = matrix.shape[1]
        shifts = np.eye(columns, dtype=np.float32).reshape(columns, outputs, *kernel).transpose(1, 0, 2, 3)
        bias = node.input[2:3]
        attributes = _attributes(node, *_WINDOW)
        twice = constant(np.concatenate([shifts, shifts], axis=1))
        self._out.add("Conv", planes, twice, *bias, output=node.output[0], **attributes)
        self._floats.add(node.output[0])

    def _sum(self, node: NodeProto) -> str:
        terms: list[str] = []
        for name in node.input:
            terms += (self._as_levels(name), self._share(name, node.output[0]), self._zero)
        return self._out.add("QLinearAdd", *terms, self._one, self._zero)

    def _join(self, node: NodeProto) -> str:
        output = node.output[0]
        parts = [self._as_levels(name) for name in node.input]
        if all(self._steps[name] == self._steps[output] for name in node.input):
            return self._out.add("Concat", *parts, axis=3)
        terms = [self._one, self._zero]
        for name, part in zip(node.input, parts, strict=True):
            terms += (part, self._share(name, output), self._zero)
        return self._out.add("QLinearConcat", *terms, axis=3)

    def _pool(self, node: NodeProto) -> str:
        attributes = _attributes(node, *_WINDOW, "ceil_mode")
        return self._out.add("NhwcMaxPool", self._as_levels(node.input[0]), **attributes)

    def _resize(self, node: NodeProto) -> str:
        """In float: interpolating bytes takes ONNX Runtime several times longer."""
        source, output = node.input[0], node.output[0]
        floats = self._out.add(
            "DequantizeLinear", self._as_levels(source), self._share(source, output), self._zero
        )
        resized = NodeProto()
        resized.CopyFrom(node)
        sizes = [name and self._reordered(name) for name in node.input[1:]]
        resized.input[:] = [floats, *sizes]
        resized.output[:] = [f"{floats}/resized"]
        self._out.nodes.append(resized)
        return self._out.add("QuantizeLinear", resized.output[0], self._one, self._zero)

    def _reordered(self, name: str) -> str:
        """Scales or sizes of the four axes, for channels last."""
        values = numpy_helper.to_array(self._constants[name])
        return self._out.constant(values[_CHANNELS_LAST] if values.size == len(_CHANNELS_LAST) else values)

    def _share(self, name: str, output: str) -> str:
        """What a level of one tensor is in levels of another."""
        return self._out.constant(np.array(self._steps[name] / self._steps[output], np.float32))

    def _as_levels(self, name: str) -> str:
        if name not in self._levels:
            step = self._out.constant(np.array(self._steps[name], np.float32))
            levels = self._out.add("QuantizeLinear", name, step, self._zero)
            self._levels[name] = self._out.add("Transpose", levels, perm=_CHANNELS_LAST)
        return self._levels[name]

    def _as_floats(self, name: str) -> None:
        if name and name not in self._floats:
            step = self._out.constant(np.array(self._steps[name], np.float32))
            turned = self._out.add("Transpose", self._levels[name], perm=_CHANNELS_FIRST)
            self._out.add("DequantizeLinear", turned, step, self._zero, output=name)
            self._floats.add(name)


def _attributes(node: NodeProto, *names: str) -> dict[str, Any]:
    """Those of the named attributes that the node has."""
    return {each.name: helper.get_attribute_value(each) for each in node.attribute if each.name in names}
