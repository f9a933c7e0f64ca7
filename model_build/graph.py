"""The float graph that is quantized, and the optimised form in which a graph is shipped."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from model_build.errors import told_as
from model_build.manifest import Network
from model_build.nodes import ADDED, Nodes, nested
from model_build.published import published_graph, tensors

_HALF = {TensorProto.FLOAT16, TensorProto.BFLOAT16}
_LEFT_OUT = ["NchwcTransformer", "WeightBiasQuantization"]
"""The first chooses a layout for this processor; the second quantizes convolutions that must stay float."""


def float_graph(weights: Path, network: Network) -> ModelProto:
    """The `published_graph` in float32 throughout.

    A network that is quantized or has a second side is simplified: constants are folded, batch normalisation
    becomes part of the convolutions, and every convolution has a bias. With a second side, height and width
    are variable. Raises BuildError when the file cannot be brought to that form.
    """
    model = published_graph(weights, network, network.input.side_px)
    with told_as(network.name):
        _make_single_precision(model)
        if network.quantization is not None or network.input.second_side_px is not None:
            model = _simplified(model)
            _give_biases(model)
        if network.input.second_side_px is not None:
            _open_sides(model)
    return model


def _make_single_precision(model: ModelProto) -> None:
    """Turn half precision into float32, in which ONNX Runtime computes it anyway, with casts in between."""
    for tensor in tensors(model):
        if tensor.data_type in _HALF:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for graph in (model.graph, *nested(model.graph.node)):
        for attribute in (each for node in graph.node for each in node.attribute):
            if attribute.name in ("to", "dtype", "output_dtype") and attribute.i in _HALF:
                attribute.i = TensorProto.FLOAT
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type in _HALF:
                value.type.tensor_type.elem_type = TensorProto.FLOAT


def _simplified(model: ModelProto) -> ModelProto:
    """Optimised by ONNX Runtime, with standard ONNX operators only."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        onnx.save(model, path)
        quant_pre_process(path, path, skip_symbolic_shape=True)
        return onnx.load(path)


def _give_biases(model: ModelProto) -> None:
    """Add a bias of zeros to each convolution without one, so that bias correction can change it."""
    channels = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 2 and node.input[1] in channels:
            zeros = np.zeros(channels[node.input[1]], np.float32)
            node.input.append(f"{ADDED}{node.output[0]}/bias")
            model.graph.initializer.append(numpy_helper.from_array(zeros, node.input[2]))


def _open_sides(model: ModelProto) -> None:
    """Let the graph, exported for one side, take any side that its poolings divide evenly.

    A Resize to a fixed size becomes a Resize by a factor. A wrong factor shows when the masks are compared
    with those of the published network at the second side.
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
                raise ValueError(f"{node.name} has no known size, so its factor is not known")
            node.input[:] = [node.input[0], "", factors.constant(np.divide(after, before, dtype=np.float32))]
    del graph.value_info[:]
    graph.initializer.extend(factors.constants)
    _, _, height, width = graph.input[0].type.tensor_type.shape.dim
    height.dim_param, width.dim_param = "height", "width"
    graph.output[0].type.tensor_type.ClearField("shape")


def optimised(model: ModelProto) -> bytes:
    """The content of an ONNX file to be loaded with all optimization off, on any processor."""
    options = ort.SessionOptions()
    options.log_severity_level = 3  # it warns that the file may be for this machine only
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        source = model.SerializeToString()
        ort.InferenceSession(source, options, ["CPUExecutionProvider"], disabled_optimizers=_LEFT_OUT)
        return path.read_bytes()
