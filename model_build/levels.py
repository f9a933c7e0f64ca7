"""Which tensors of a float graph become 8-bit levels, and what one level of each is worth.

What leaves a Relu is not negative, so level 0 stands for 0 in every one of them.
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from onnx import ModelProto, NodeProto, helper

from model_build.errors import QuantizationError

HIGHEST = 255
_FEW_PRODUCTS = 16
_MANY = 1 << 30

type Steps = Mapping[str, np.float32]
"""What one level of a tensor is worth, by the tensor's name."""


def quantized_convolutions(model: ModelProto, kept_float: Collection[str], steps: Steps) -> dict[str, str]:
    """The convolutions to compute on levels, by name, each with the output of its Relu.

    They read levels, nothing but a Relu reads them, and they are not in `kept_float`.
    Raises QuantizationError for a name in `kept_float` that is no convolution of the graph.
    """
    convolutions = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    unknown = sorted(set(kept_float) - convolutions.keys())
    if unknown:
        raise QuantizationError(f"float_convolutions: the network has no convolution {unknown[0]}")
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for name, node in convolutions.items():
        behind = readers.get(node.output[0], [])
        lone_relu = [each.op_type for each in behind] == ["Relu"]
        if lone_relu and node.input[0] in steps and name not in kept_float:
            found[name] = behind[0].output[0]
    return found


def narrow_convolutions(model: ModelProto, quantized: Collection[str], steps: Steps) -> set[str]:
    """The other convolutions that could read levels and have few outputs: in float they would mostly wait
    for memory.
    """
    constants = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    found = set()
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[0] in steps and node.name not in quantized:
            outputs, _, *kernel = constants.get(node.input[1], (_MANY, 0))
            few = outputs * int(np.prod(kernel)) <= _FEW_PRODUCTS
            if few and attribute(node, "group") in (None, 1):
                found.add(node.name)
    return found


def measured_tensors(model: ModelProto) -> list[str]:
    """The tensors whose largest value `level_steps` has to know: outputs of Relus, and sums of two such."""
    relus = _relu_outputs(model)
    return [*relus, *(node.output[0] for node in _sums(model, relus))]


def level_steps(model: ModelProto, peaks: Mapping[str, float]) -> dict[str, np.float32]:
    """The step of every tensor that can be held in levels.

    peaks: the largest value of each of the `measured_tensors`.
    Tensors that are joined share a step where that costs nothing, so that joining is copying bytes.
    """
    steps = {name: np.float32(peak / HIGHEST or 1) for name, peak in peaks.items()}
    joined = {name: node for node in model.graph.node if node.op_type == "Concat" for name in node.input}
    for node in model.graph.node:
        output = node.output[0]
        known = [steps[name] for name in node.input if name in steps]
        if node.op_type == "MaxPool" and known and len(node.output) == 1:
            steps[output] = known[0]
        elif node.op_type == "Resize" and known and attribute(node, "mode") == b"linear":
            beside = joined[output].input if output in joined else ()
            steps[output] = max([known[0], *(steps[name] for name in beside if name in steps)])
        elif node.op_type == "Concat" and attribute(node, "axis") == 1 and len(known) == len(node.input):
            steps[output] = max(known)
    return steps


def wanted_levels(model: ModelProto, readers: Collection[str], steps: Steps) -> set[str]:
    """The tensors to hold in levels: what the nodes named in `readers` read, and what that is made of."""
    wanted: set[str] = set()
    for node in reversed(model.graph.node):
        if node.name in readers:
            wanted.add(node.input[0])
        elif node.op_type in ("Add", "Concat", "MaxPool", "Resize") and wanted.intersection(node.output):
            wanted.update(name for name in node.input if name in steps)
    return wanted


def held_in_levels(model: ModelProto, computed: Collection[str], wanted: Collection[str]) -> set[str]:
    """The tensors that have been levels: what is computed as such, or wanted, and what is made of it."""
    held = {*computed, *wanted}
    for node in model.graph.node:
        sources = node.input if node.op_type in ("Add", "Concat") else node.input[:1]
        if node.op_type in ("Add", "Concat", "MaxPool", "Resize") and held.issuperset(sources):
            held.add(node.output[0])
    return held


def attribute(node: NodeProto, name: str) -> object:
    """The value of an attribute; None when it is not given."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)


def _relu_outputs(model: ModelProto) -> list[str]:
    return [node.output[0] for node in model.graph.node if node.op_type == "Relu"]


def _sums(model: ModelProto, terms: Iterable[str]) -> list[NodeProto]:
    known = set(terms)
    return [node for node in model.graph.node if node.op_type == "Add" and known.issuperset(node.input)]
