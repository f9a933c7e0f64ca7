"""The float graph that is quantized."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from model_build.errors import GraphError, told_as
from model_build.manifest import Network
from model_build.nodes import Nodes
from model_build.precision import single_precision
from model_build.published import published_graph


def float_graph(weights: Path, network: Network) -> ModelProto:
    """The `published_graph` in float32 throughout.

    One that is quantized or has a second side is simplified: what only depends on shapes is computed here,
    batch normalisation is folded into the convolutions, and every convolution has a bias. With a second side,
    height and width are left open. Raises GraphError when the file cannot be brought to that form.
    """
    model = published_graph(weights, network, network.input.side_px)
    with told_as(GraphError, network.name):
        single_precision(model)
        if network.quantization is not None or network.input.second_side_px is not None:
            model = _simplified(model)
            _give_biases(model)
        if network.input.second_side_px is not None:
            _open_sides(model, network)
    return model


def _simplified(model: ModelProto) -> ModelProto:
    """Rewritten by ONNX Runtime as far as ONNX's own operators go."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "described.onnx", Path(folder) / "simplified.onnx"
        onnx.save(model, source)
        quant_pre_process(source, target, skip_symbolic_shape=True)
        simplified = onnx.load(target)
    used = {node.domain for node in simplified.graph.node}
    imports = [each for each in simplified.opset_import if each.domain in used]
    del simplified.opset_import[:]
    simplified.opset_import.extend(imports)
    return simplified


def _give_biases(model: ModelProto) -> None:
    """Add a bias of zeros to each convolution without one."""
    channels = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 2 and node.input[1] in channels:
            zeros = np.zeros(channels[node.input[1]], np.float32)
            node.input.append(f"{node.output[0]}/bias")
            model.graph.initializer.append(numpy_helper.from_array(zeros, node.input[2]))


def _open_sides(model: ModelProto, network: Network) -> None:
    """Let the graph, made for one side, take any that its poolings divide evenly.

    Enlargements to a written size become enlargements by a factor; a wrong one shows in the comparison with
    the float network at the second side.
    """
    graph, factors = model.graph, Nodes("factor")
    shapes = {
        each.name: [size.dim_value for size in each.type.tensor_type.shape.dim]
        for each in (*graph.value_info, *graph.input, *graph.output)
    }
    for node in graph.node:
        if node.op_type == "Resize" and len(node.input) == 4:
            before, after = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
            if not before or 0 in (*before, *after):
                raise GraphError(f"{network.name}: {node.name} has no known size, so its factor is not known")
            ratios = np.divide(after, before, dtype=np.float32)
            node.input[:] = [node.input[0], "", factors.constant(ratios)]
    read = {name for node in graph.node for name in node.input}
    constants = [tensor for tensor in (*graph.initializer, *factors.constants) if tensor.name in read]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(constants)
    shape = helper.make_tensor_type_proto(TensorProto.FLOAT, [1, 3, "height", "width"])
    graph.input[0].type.CopyFrom(shape)
    graph.output[0].type.tensor_type.ClearField("shape")
