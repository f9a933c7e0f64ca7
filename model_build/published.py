"""A network as it was published, seen from its ends: float32 planes in, a float32 mask of that side out."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, TypeProto, helper

from model_build.errors import GraphError, told_as
from model_build.manifest import Network
from model_build.nodes import Nodes
from model_build.onnx_file import described_graph, plain

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}


def published_graph(weights: Path, network: Network, side: int) -> ModelProto:
    """The graph from the described input to the described output, for that side in pixels.

    Input: float32 (1, 3, side, side), normalised. Output: float32, side * side values, row by row. Ends of
    half precision are cast, channels that come last are moved, a mask of another size is scaled.
    Raises GraphError when the file cannot be read or run, or has no such input or output.
    """
    model = described_graph(weights, network)
    _shape_input(model, network, side)
    # The file may say what follows from another side.
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with told_as(GraphError, f"{network.name} does not run at {side} pixels"):
        kind, shape = _output_of(model, network)
    _shape_output(model, network, kind, shape, side)
    return model


def _shape_input(model: ModelProto, network: Network, side: int) -> None:
    """The input as float32 (1, 3, side, side), whatever its type and order. Raises GraphError."""
    graph = model.graph
    published = graph.input[0]
    tensor = published.type.tensor_type
    sizes = [size.dim_value for size in tensor.shape.dim] or [0, 0, 0, 0]
    last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
    if tensor.elem_type not in _FLOATS or len(sizes) != 4 or not (last or sizes[1] in (0, 3)):
        raise GraphError(
            f"{network.name}: the input {plain(published.name)} is {_described(published.type)}; "
            "float 1 x 3 x height x width is taken, or 1 x height x width x 3"
        )
    shape = [1, side, side, 3] if last else [1, 3, side, side]
    if not last and tensor.elem_type == TensorProto.FLOAT:
        published.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, shape))
        return
    added = Nodes("ends")
    name = "ends/planes"
    moved = added.add("Transpose", name, perm=[0, 2, 3, 1]) if last else name
    added.add("Cast", moved, to=tensor.elem_type, output=published.name)
    nodes = [*added.nodes, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, side, side]))


def _output_of(model: ModelProto, network: Network) -> tuple[int, list[int]]:
    """Element type and shape of the output, by what ONNX Runtime infers or, failing that, by a run."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    (output,) = session.get_outputs()
    kinds = {"tensor(float)": TensorProto.FLOAT, "tensor(float16)": TensorProto.FLOAT16}
    kind, shape = kinds.get(output.type, TensorProto.UNDEFINED), list(output.shape or [])
    if kind and (not shape or not all(isinstance(size, int) for size in shape)):
        picture = session.get_inputs()[0]
        (found,) = session.run(None, {picture.name: np.zeros(picture.shape, np.float32)})
        shape = list(np.shape(found))
    if not kind:
        raise GraphError(
            f"{network.name}: the output {plain(output.name)} is {output.type}, and not of floats"
        )
    return kind, shape


def _shape_output(model: ModelProto, network: Network, kind: int, shape: list[int], side: int) -> None:
    """The output as float32 of side * side values. Raises GraphError when it is no mask."""
    graph = model.graph
    published = graph.output[0]
    sizes = [size for size in shape if size != 1]
    if len(sizes) != 2 or sizes[0] != sizes[1]:
        raise GraphError(
            f"{network.name}: the output {plain(published.name)} is {' x '.join(map(str, shape))}; "
            f"a mask of one channel, 1 x 1 x {side} x {side}, is taken"
        )
    if kind == TensorProto.FLOAT and sizes[0] == side:
        published.type.CopyFrom(TypeProto())
        published.type.tensor_type.elem_type = TensorProto.FLOAT
        return
    added = Nodes("ends/mask")
    value = added.add("Cast", published.name, to=TensorProto.FLOAT)
    if sizes[0] != side:
        ones = np.array([axis for axis, size in enumerate(shape) if size == 1], np.int64)
        factor = np.array([1, 1, side / sizes[0], side / sizes[0]], np.float32)
        value = added.add("Squeeze", value, added.constant(ones)) if len(ones) else value
        value = added.add("Unsqueeze", value, added.constant(np.array([0, 1], np.int64)))
        value = added.add("Resize", value, "", added.constant(factor), mode="linear")
    graph.node.extend(added.nodes)
    graph.initializer.extend(added.constants)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(value, TensorProto.FLOAT, None))


def _described(kind: TypeProto) -> str:
    tensor = kind.tensor_type
    sizes = (size.dim_param or str(size.dim_value or "?") for size in tensor.shape.dim)
    name = TensorProto.DataType.Name(tensor.elem_type).lower()
    return f"{name} {' x '.join(sizes)}".strip()
