"""A float graph without the channels that carry nothing.

A fifth of U-2-Net's channels never leave 0 behind their Relu. What they would be multiplied with goes too.
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from model_build.levels import attribute

_NEGLIGIBLE = 1e-6
"""Of a tensor's energy: with a hundred times as much, masks that hang in the balance begin to tip."""
_AT_ONCE = 16
"""Outputs that a processor computes together: the number of channels stays a multiple of it."""

type Energies = Mapping[str, NDArray[np.float32]]
"""The mean square of each channel of a tensor, float32 (channels,), by the tensor's name."""


def pruned(model: ModelProto, energies: Energies) -> ModelProto:
    """The graph without the channels of its Relus that have next to no energy.

    model: as `graph.float_graph` leaves it. energies: of every output of a Relu.
    """
    flow = _Flow(model, energies)
    kept = {
        relu: _strongest([energies[each] for each in tied])
        for relu, tied in flow.tied.items()
        if flow.fixed.isdisjoint(tied)
    }
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.value_info[:]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for relu, numbers in kept.items():
        for name in flow.convolutions[relu].input[1:]:
            _keep(constants[name], numbers, axis=0)
    for node in graph.node:
        relus = flow.parts.get(node.input[0], [])
        if kept.keys().isdisjoint(relus):
            continue
        if node.op_type == "Conv":
            _keep(constants[node.input[1]], _joined(relus, kept, energies), axis=1)
        elif node.op_type == "Resize" and len(node.input) > 3:
            sizes = numpy_helper.to_array(constants[node.input[3]]).copy()
            sizes[1] = len(_joined(relus, kept, energies))
            node.input[3] = f"{node.output[0]}/sizes"
            graph.initializer.append(numpy_helper.from_array(sizes, node.input[3]))
    used = {name for node in graph.node for name in node.input}
    for name in constants.keys() - used:
        graph.initializer.remove(constants[name])
    return result


def _strongest(energies: Collection[NDArray[np.float32]]) -> NDArray[np.intp]:
    """The numbers of the channels to keep in tensors of these energies, ascending."""
    tiny = np.finfo(np.float32).tiny
    shares = np.sum([each / max(each.sum(), tiny) for each in energies], axis=0)
    order = np.argsort(-shares, kind="stable")
    left = shares[order][::-1].cumsum()[::-1]  # energy from each place on
    count = int(np.count_nonzero(left > _NEGLIGIBLE))
    count = max(_AT_ONCE, -(-count // _AT_ONCE) * _AT_ONCE)
    return np.sort(order[:count])


def _joined(
    relus: Iterable[str], kept: Mapping[str, NDArray[np.intp]], energies: Energies
) -> NDArray[np.intp]:
    """The numbers of the channels that are left of these tensors, one behind the other."""
    numbers, begin = [], 0
    for relu in relus:
        count = len(energies[relu])
        numbers.append(begin + kept.get(relu, np.arange(count)))
        begin += count
    return np.concatenate(numbers)


def _keep(tensor: TensorProto, numbers: NDArray[np.intp], axis: int) -> None:
    values = numpy_helper.to_array(tensor).take(numbers, axis)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


class _Flow:
    """Where the channels of the Relus go.

    convolutions: what is before each Relu that channels can be taken from.
    parts: for each tensor that is made of such Relus only, these, in the order of its channels.
    tied: for each Relu those that it is added to, itself included: they lose the same channels.
    fixed: those that must keep all.
    """

    def __init__(self, model: ModelProto, energies: Energies) -> None:
        self.convolutions: dict[str, NodeProto] = {}
        self.parts: dict[str, list[str]] = {}
        self.tied: dict[str, list[str]] = {}
        self.fixed: set[str] = set()
        self._energies = energies
        self._constants = {tensor.name for tensor in model.graph.initializer}
        read = [name for node in model.graph.node for name in node.input]
        own = {
            node.output[0]: node
            for node in model.graph.node
            if self._is_plain(node)
            and all(read.count(name) == 1 for name in (*node.input[1:], node.output[0]))
        }
        for node in model.graph.node:
            output = node.output[0]
            if node.op_type == "Relu" and node.input[0] in own:
                self.convolutions[output] = own[node.input[0]]
                self.parts[output] = self.tied[output] = [output]
            elif not self._is_plain(node):
                self._follow(node)
        for each in model.graph.output:
            self.fixed.update(self.parts.get(each.name, []))

    def _is_plain(self, node: NodeProto) -> bool:
        ungrouped = node.op_type == "Conv" and attribute(node, "group") in (None, 1)
        return ungrouped and self._constants.issuperset(node.input[1:])

    def _follow(self, node: NodeProto) -> None:
        """Find out what the output is made of; where that is not known, what is read must stay whole."""
        parts = [self.parts.get(name, []) for name in node.input]
        output = node.output[0]
        if node.op_type in ("MaxPool", "Resize") and len(node.output) == 1:
            self.parts[output] = parts[0]
        elif node.op_type == "Concat" and attribute(node, "axis") == 1 and all(parts):
            self.parts[output] = [relu for part in parts for relu in part]
        elif node.op_type == "Add" and [len(part) for part in parts] == [1, 1]:
            (first,), (second,) = parts
            self.parts[output] = [first]
            together = list(dict.fromkeys(self.tied[first] + self.tied[second]))
            self.tied.update(dict.fromkeys(together, together))
            if len(self._energies[first]) != len(self._energies[second]):
                self.fixed.update(together)
        else:
            self.fixed.update(relu for part in parts for relu in part)
