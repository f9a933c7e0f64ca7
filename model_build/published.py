"""A published network, brought to one form: float32 planes in, a float32 mask of the same side out."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data
from onnx.inliner import inline_local_functions
from onnx.version_converter import convert_version

from model_build.errors import told_as
from model_build.manifest import Network
from model_build.nodes import PLANES, Nodes, nested, surround

OPSET = 17
"""Older operator sets are converted to this one, which the added nodes need; later ones stay."""

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}


def published_graph(weights: Path, network: Network, side: int) -> ModelProto:
    """The graph from the described input to the described output, for pictures of side x side pixels.

    Input: float32 (1, 3, side, side), normalised. Output: float32, side * side values, row by row. Where the
    published ends differ, they are converted: half precision, channels last, a mask of another size. Raises
    BuildError when the file cannot be read or run, or has no such input or output.
    """
    with told_as(network.name):
        model = inline_local_functions(_read(weights, network))
        versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
        if versions and versions[0] < OPSET:
            model = convert_version(model, OPSET)
        _cut(model.graph, network)
        channels_last = _set_side(model.graph.input[0], side)
    with told_as(f"{network.name} does not run at {side} pixels"):
        mask = _run_on_black(model)
    with told_as(network.name):
        mask_side = _side_of(mask, model.graph.output[0].name)
        kind = model.graph.input[0].type.tensor_type.elem_type
        before, after = Nodes("input"), Nodes("output")
        planes = before.add("Transpose", PLANES, perm=[0, 2, 3, 1]) if channels_last else PLANES
        before.add("Cast", planes, to=kind, output=model.graph.input[0].name)
        value = after.add("Cast", model.graph.output[0].name, to=TensorProto.FLOAT)
        if mask_side != side:
            value = after.add("Unsqueeze", after.add("Squeeze", value), after.constant(np.array([0, 1])))
            factors = after.floats(1, 1, side / mask_side, side / mask_side)
            value = after.add("Resize", value, "", factors, mode="linear")
        shape = [1, 3, side, side]
        surround(
            model.graph,
            before,
            helper.make_tensor_value_info(PLANES, TensorProto.FLOAT, shape),
            after,
            helper.make_tensor_value_info(value, TensorProto.FLOAT, None),
        )
        return model


def _read(weights: Path, network: Network) -> ModelProto:
    """The file with its external data, which must be in files that the manifest names."""
    model = onnx.load(weights, load_external_data=False)
    located = {ExternalDataInfo(tensor).location for tensor in tensors(model) if uses_external_data(tensor)}
    unknown = sorted(located - network.external_data.keys())
    if unknown:
        raise ValueError(f"the weights are in {', '.join(unknown)}, whose sha256 must stand in external_data")
    load_external_data_for_model(model, str(weights.parent))
    return model


def tensors(model: ModelProto) -> Iterable[TensorProto]:
    """All constants, including those inside nodes."""
    for graph in (model.graph, *nested(model.graph.node)):
        yield from graph.initializer
        yield from (attribute.t for node in graph.node for attribute in node.attribute)


def _cut(graph: GraphProto, network: Network) -> None:
    """Keep one input, one output and the nodes between them, each with a name of its own."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    picture = _chosen(inputs, network.input.name, "inputs")
    mask = _chosen(graph.output, network.output.name, "outputs")
    if network.input.name is None and len(inputs) > 1:
        names = ", ".join(each.name for each in inputs)
        raise ValueError(f"the file has the inputs {names}; input.name must say which")
    nodes: list[NodeProto] = []
    needed = {mask.name}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.insert(0, node)
            needed |= _read_by(node)
    others = [each.name for each in inputs if each.name in needed - {picture.name}]
    if others:
        raise ValueError(f"the file wants {', '.join(others)} beside the picture")
    if picture.name not in needed:
        raise ValueError(f"the output {mask.name} does not follow from {picture.name}")
    taken = {""}
    for number, node in enumerate(nodes):  # the quantizer identifies nodes by name
        node.name = f"{node.op_type}/unnamed_{number}" if node.name in taken else node.name
        taken.add(node.name)
    kept = [tensor for tensor in graph.initializer if tensor.name in needed]
    mask.type.tensor_type.ClearField("shape")  # like value_info, it may be for another side
    for field in (graph.node, graph.initializer, graph.input, graph.output, graph.value_info):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    graph.input.append(picture)
    graph.output.append(mask)


def _chosen(found: Iterable[ValueInfoProto], name: str | None, what: str) -> ValueInfoProto:
    for each in found:
        if name in (None, each.name):
            return each
    names = ", ".join(each.name for each in found) or "none"
    raise ValueError(f"the file has the {what} {names}" + (f", not {name}" if name else ""))


def _read_by(node: NodeProto) -> set[str]:
    """The tensors that a node reads, including those that graphs inside it read."""
    inside = list(nested([node]))
    names = {name for each in (node, *(n for graph in inside for n in graph.node)) for name in each.input}
    return names | {output.name for graph in inside for output in graph.output}


def _set_side(picture: ValueInfoProto, side: int) -> bool:
    """Give the input that height and width; returns whether its channels come last."""
    tensor = picture.type.tensor_type
    sizes = [size.dim_value for size in tensor.shape.dim] or [0, 0, 0, 0]
    last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
    if tensor.elem_type not in _FLOATS or len(sizes) != 4 or not (last or sizes[1] in (0, 3)):
        raise ValueError(
            f"the input is {helper.printable_value_info(picture)}; "
            "float 1 x 3 x height x width is taken, or 1 x height x width x 3"
        )
    shape = [1, side, side, 3] if last else [1, 3, side, side]
    picture.type.CopyFrom(helper.make_tensor_type_proto(tensor.elem_type, shape))
    return last


def _run_on_black(model: ModelProto) -> NDArray[np.generic]:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    tensor = model.graph.input[0].type.tensor_type
    shape = [size.dim_value for size in tensor.shape.dim]
    black = np.zeros(shape, helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return np.asarray(session.run(None, {model.graph.input[0].name: black})[0])


def _side_of(mask: NDArray[np.generic], name: str) -> int:
    """Height and width of an output that is a mask."""
    if mask.dtype.kind != "f":
        raise ValueError(f"the output {name} is of {mask.dtype}, and not of floats")
    sizes = [size for size in mask.shape if size != 1]
    if len(sizes) != 2 or sizes[0] != sizes[1]:
        raise ValueError(
            f"the output {name} is {' x '.join(map(str, mask.shape))}; "
            "a mask of one channel, 1 x 1 x side x side, is taken"
        )
    return int(sizes[0])
