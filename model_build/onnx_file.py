"""An ONNX file as it was published, cut down to what the manifest describes: one input, one output.

Inside it stays what it is. Its operator set is left alone from OPSET on.
"""

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.compose import add_prefix
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data
from onnx.inliner import inline_local_functions
from onnx.version_converter import convert_version

from model_build.errors import GraphError, told_as
from model_build.manifest import Network

OPSET = 17
"""What is older is brought to it, for the sake of the nodes that are added."""
ENDS = ("image", "mask")
"""Input and output of what is built."""

PREFIX = "network/"
_ADDED = ("normalise/", "mask/", "ends/", "factor/", "probe/")
"""With which the names of added nodes begin."""


def described_graph(weights: Path, network: Network) -> ModelProto:
    """The nodes between the described input and the described output, each with a name of its own.

    Raises GraphError when the file cannot be read or has no such input or output.
    """
    with told_as(GraphError, network.name):
        model = _at_least_opset(inline_local_functions(_read(weights, network)))
        _keep_what_is_described(model, network)
        return _without_clashes(model)


def _read(weights: Path, network: Network) -> ModelProto:
    """With its external data, all of it in files that the manifest names. Raises GraphError."""
    model = onnx.load(weights, load_external_data=False)
    located = {ExternalDataInfo(tensor).location for tensor in _tensors(model) if uses_external_data(tensor)}
    unknown = sorted(located - network.external_data.keys())
    if unknown:
        raise GraphError(
            f"{network.name}: the weights are in {', '.join(unknown)}, "
            "whose sha256 must stand in external_data"
        )
    load_external_data_for_model(model, str(weights.parent))
    return model


def _tensors(model: ModelProto) -> Iterable[TensorProto]:
    for graph in graphs(model.graph):
        yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t


def graphs(graph: GraphProto) -> Iterable[GraphProto]:
    """The graph, and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs(inner)


def _at_least_opset(model: ModelProto) -> ModelProto:
    version = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), OPSET)
    return convert_version(model, OPSET) if version < OPSET else model


def _keep_what_is_described(model: ModelProto, network: Network) -> None:
    """One input and one output, and the nodes between them. Raises GraphError saying what there is."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    picture = _named(inputs, network.input.name, f"{network.name}: the file has the inputs")
    if network.input.name is None and len(inputs) > 1:
        names = ", ".join(each.name for each in inputs)
        raise GraphError(f"{network.name}: the file has the inputs {names}; input.name must say which")
    mask = _named(list(graph.output), network.output.name, f"{network.name}: the file has the outputs")
    made_by = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    waiting, kept = [mask.name], {picture.name}
    while waiting:
        name = waiting.pop()
        if name in needed or name == picture.name:
            continue
        needed.add(name)
        if name in made_by:
            waiting.extend(read_by(made_by[name]))
    others = [each.name for each in inputs if each.name in needed]
    if others:
        raise GraphError(f"{network.name}: the file wants {', '.join(others)} beside the picture")
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    if picture.name not in {name for node in nodes for name in read_by(node)}:
        raise GraphError(f"{network.name}: the output {mask.name} does not follow from {picture.name}")
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed | kept]
    chosen_input, chosen_output = ValueInfoProto(), ValueInfoProto()
    chosen_input.CopyFrom(picture)
    chosen_output.CopyFrom(mask)
    for field in (graph.node, graph.initializer, graph.input, graph.output):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    graph.input.append(chosen_input)
    graph.output.append(chosen_output)
    _name_nodes(graph)


def read_by(node: NodeProto) -> set[str]:
    """The tensors that a node reads, those that graphs inside it take from outside included."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            names |= {name for each in inner.node for name in read_by(each)}
            names |= {each.name for each in inner.output}
    return names


def _named(found: list[ValueInfoProto], name: str | None, what: str) -> ValueInfoProto:
    chosen = next((each for each in found if name in (None, each.name)), None)
    if chosen is None:
        names = ", ".join(each.name for each in found) or "none"
        raise GraphError(f"{what} {names}" + (f", not {name}" if name else ""))
    return chosen


def _name_nodes(graph: GraphProto) -> None:
    """The quantizer knows nodes by their names; not every file has names, and each once."""
    taken: set[str] = set()
    for number, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}/unnamed_{number}"
        taken.add(node.name)


def _without_clashes(model: ModelProto) -> ModelProto:
    """Tensors called as the ends of what is built, or as the nodes that are added, get a prefix."""
    names = {name for node in model.graph.node for name in (*node.input, *node.output)}
    if not any(name in ENDS or name.startswith(_ADDED) for name in names):
        return model
    return add_prefix(model, PREFIX, rename_nodes=False)


def plain(name: str) -> str:
    """A tensor's name as it stands in the file."""
    return name.removeprefix(PREFIX)
