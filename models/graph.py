"""Graph surgery with the onnx package: the part that computes the mask, and uint8 pictures at both ends."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from onnx.version_converter import convert_version

from models.manifest import Input, Network, Output

OPSET = 17
"""The newest operator set for which ONNX Runtime's quantizer fuses every operator of these networks."""
INPUT = "image"
OUTPUT = "mask"
TINY = 1e-6
"""Keeps a black picture, or a mask of one value, from dividing by zero."""


def float_graph(weights: Path, network: Network) -> ModelProto:
    """The float32 graph from the described input to the described output, at OPSET, of one fixed shape.

    Outputs that are not described are cut away and what only depends on shapes is computed here.
    """
    described = network.input
    model = Extractor(convert_version(onnx.load(weights), OPSET)).extract_model(
        [described.name], [network.output.name]
    )
    shape = helper.make_tensor_type_proto(TensorProto.FLOAT, [1, 3, described.side_px, described.side_px])
    model.graph.input[0].type.CopyFrom(shape)
    return optimised(model, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC, without=())


def shipped_graph(model: ModelProto) -> ModelProto:
    """The graph as ONNX Runtime would rewrite it on loading, so that loading needs no rewriting.

    Two rewrites are left out. WeightBiasQuantization would quantize a float convolution that stands between
    quantized ones; NchwcTransformer would fix the block size of the building machine's processor.
    """
    level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return optimised(model, level, without=("WeightBiasQuantization", "NchwcTransformer"))


def optimised(model: ModelProto, level: ort.GraphOptimizationLevel, without: tuple[str, ...]) -> ModelProto:
    """`model` after ONNX Runtime's rewrites of `level`, less the ones named in `without`."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3  # it warns that such a file may not suit another machine
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(
            model.SerializeToString(), options, ["CPUExecutionProvider"], disabled_optimizers=list(without)
        )
        return onnx.load(path)


def with_uint8_ends(model: ModelProto, network: Network) -> ModelProto:
    """Put the normalisation into the graph.

    Input: uint8 RGB (1, side, side, 3), 0..255. Output: uint8 (1, side, side), 0 background .. 255 foreground.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph, side = result.graph, network.input.side_px
    before, after = _normalising_nodes(network.input), _mask_nodes(network.output, side)
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *after.constants])
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, side, side, 3]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, [1, side, side]))
    return result


class _Nodes:
    """Nodes and constants being collected, with names that cannot clash with the network's."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix

    def constant(self, value: NDArray[np.generic]) -> str:
        """Append a constant, answer its name."""
        name = f"{self._prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, op_type: str, *inputs: str, output: str = "", **attributes: int | list[int]) -> str:
        """Append a node, answer the name of its output."""
        name = f"{self._prefix}/{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [output or name], name=name, **attributes))
        return output or name


def _normalising_nodes(described: Input) -> _Nodes:
    """uint8 (1, side, side, 3) -> the network's float input (1, 3, side, side)."""
    nodes = _Nodes("normalise")
    pixels = nodes.add("Cast", INPUT, to=TensorProto.FLOAT)
    if described.divide_by == "maximum":
        maximum = nodes.add("ReduceMax", pixels, keepdims=1)
        divisor = nodes.add("Max", maximum, nodes.constant(np.float32([TINY])))
    else:
        divisor = nodes.constant(np.float32([described.divide_by]))
    scaled = nodes.add("Div", pixels, divisor)
    centred = nodes.add("Sub", scaled, nodes.constant(np.float32(described.mean)))
    normal = nodes.add("Div", centred, nodes.constant(np.float32(described.std)))
    nodes.add("Transpose", normal, perm=[0, 3, 1, 2], output=described.name)
    return nodes


def _mask_nodes(described: Output, side: int) -> _Nodes:
    """The network's float output, side * side values -> uint8 (1, side, side)."""
    nodes = _Nodes("mask")
    value = described.name
    match described.values:
        case "relative":
            least = nodes.add("ReduceMin", value, keepdims=1)
            span = nodes.add("Sub", nodes.add("ReduceMax", value, keepdims=1), least)
            divisor = nodes.add("Max", span, nodes.constant(np.float32([TINY])))
            value = nodes.add("Div", nodes.add("Sub", value, least), divisor)
        case "logit":
            value = nodes.add("Sigmoid", value)
        case "probability":
            value = nodes.add("Clip", value, nodes.constant(np.float32(0)), nodes.constant(np.float32(1)))
    levels = nodes.add("Round", nodes.add("Mul", value, nodes.constant(np.float32([255]))))
    plane = nodes.add("Reshape", levels, nodes.constant(np.int64([1, side, side])))
    nodes.add("Cast", plane, to=TensorProto.UINT8, output=OUTPUT)
    return nodes
