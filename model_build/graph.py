"""The float graph that is quantized."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from onnx.version_converter import convert_version

from model_build.errors import GraphError
from model_build.heads import with_products
from model_build.manifest import Network

OPSET = 17
"""What the quantizer and the added nodes are written for; in 18 the axes of reductions became inputs."""


def described_graph(weights: Path, network: Network) -> ModelProto:
    """The float32 graph as it was published, from the described input to the described output, for the
    described side.

    Raises GraphError when the file cannot be read or has no such input or output.
    """
    side = network.input.side_px
    try:
        model = Extractor(onnx.load(weights)).extract_model([network.input.name], [network.output.name])
        shape = helper.make_tensor_type_proto(TensorProto.FLOAT, [1, 3, side, side])
        model.graph.input[0].type.CopyFrom(shape)
    except Exception as error:  # the library raises bare exceptions beside its own classes
        raise GraphError(f"{network.name}: {error}") from error
    # The file may say what follows from another side.
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return model


def float_graph(weights: Path, network: Network) -> ModelProto:
    """The `described_graph` at OPSET, in the form that is quantized.

    What only depends on shapes is computed here, batch normalisation is folded into the convolutions, every
    convolution has a bias, and planes of several scales are summed as `model_build.heads` says.
    Raises GraphError when the file cannot be brought to that form.
    """
    described = described_graph(weights, network)
    try:
        model = _simplified(convert_version(described, OPSET))
    except Exception as error:  # both libraries raise bare exceptions beside their own classes
        raise GraphError(f"{network.name}: {error}") from error
    _give_biases(model)
    return with_products(model)


def _simplified(model: ModelProto) -> ModelProto:
    """Rewritten by ONNX Runtime as far as ONNX's own operators go."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3  # it warns that the file may not suit another machine
    with TemporaryDirectory() as folder:
        path = Path(folder) / "simplified.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        simplified = onnx.load(path)
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
