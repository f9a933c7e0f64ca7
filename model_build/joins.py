"""Enlarged tensors that are joined with others, in the levels of the join from the start.

The tool gives what was enlarged the levels it had before, and the join rounds it a second time, to its own.
Enlarging is done in float anyway: rounded once, masks are a little closer and joining is a copy.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from onnx import ModelProto, NodeProto


def with_levels_of_joins(int8: ModelProto) -> ModelProto:
    """The quantized graph, in which what a Resize makes for nothing but a Concat has the Concat's levels."""
    result = ModelProto()
    result.CopyFrom(int8)
    made_by = {name: node for node in result.graph.node for name in node.output}
    readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
    for node in result.graph.node:
        for name in node.input:
            readers[name].append(node)
    for join in result.graph.node:
        rounds = next(iter(readers[join.output[0]]), None)
        if join.op_type != "Concat" or rounds is None or rounds.op_type != "QuantizeLinear":
            continue
        for name in join.input:
            chain = _chain(made_by, name, ("DequantizeLinear", "QuantizeLinear", "Resize"))
            if chain and all(len(readers[node.output[0]]) == 1 for node in chain):
                for node in chain[:2]:
                    node.input[1:] = rounds.input[1:]
    return result


def _chain(made_by: Mapping[str, NodeProto], name: str, operators: Sequence[str]) -> list[NodeProto]:
    """The nodes that made `name`, the last first, if they are these operators."""
    nodes: list[NodeProto] = []
    for operator in operators:
        node = made_by.get(name)
        if node is None or node.op_type != operator:
            return []
        nodes.append(node)
        name = node.input[0]
    return nodes
