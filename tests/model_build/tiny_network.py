"""A network of somebody else, small enough to build in a second, and unlike U-2-Net wherever it may be.

Batch normalisation, a convolution without a bias, one with groups, sizes left open, an older operator
set, a second output, and logits instead of probabilities.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from model_build.fetch import file_sha256
from model_build.manifest import FileSource, Input, Licence, Network, Output, Quantization

SIDE_PX = 64


def write_tiny_network(path: Path) -> None:
    """Write the ONNX file; the same bytes each time."""
    random = np.random.default_rng(7)

    def weight(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.4, shape).astype(np.float32)

    constants = {
        "first/weight": weight(8, 3, 3, 3),
        "scale": np.full(8, 1.5, np.float32),
        "shift": weight(8),
        "mean": weight(8),
        "variance": np.full(8, 2, np.float32),
        "by_channel/weight": weight(8, 1, 3, 3),
        "by_channel/bias": weight(8),
        "twice": np.array([1, 1, 2, 2], np.float32),
        "last/weight": weight(1, 16, 3, 3),
        "last/bias": weight(1),
    }
    nodes = [
        _node("Conv", "first", "pixels", "first/weight", pads=[1, 1, 1, 1]),
        _node("BatchNormalization", "normal", "first", "scale", "shift", "mean", "variance"),
        _node("Relu", "wide", "normal"),
        _node("MaxPool", "half", "wide", kernel_shape=[2, 2], strides=[2, 2]),
        _node(
            "Conv", "by_channel", "half", "by_channel/weight", "by_channel/bias", pads=[1, 1, 1, 1], group=8
        ),
        _node("Relu", "deep", "by_channel"),
        _node("Resize", "raised", "deep", "", "twice", mode="linear"),
        _node("Concat", "both", "raised", "wide", axis=1),
        _node("Conv", "last", "both", "last/weight", "last/bias", pads=[1, 1, 1, 1]),
        _node("Sigmoid", "unused", "last"),
    ]
    picture = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "height", "width"])
    masks = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("last", "unused")]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [picture], masks, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def tiny_network(folder: Path, quantization: Quantization | None = None) -> Network:
    """Write the file into `folder` and describe it."""
    path = folder / "tiny-weights.onnx"
    write_tiny_network(path)
    return Network(
        name="tiny",
        source=FileSource(str(path)),
        weights_sha256=file_sha256(path),
        licence=Licence(code="MIT", weights="MIT"),
        training_data="none",
        input=Input(SIDE_PX, 255.0, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), name="pixels"),
        output=Output("logit", "last"),
        quantization=quantization,
        umpire=None,
    )


def _node(
    op_type: str, output: str, *inputs: str, **attributes: int | str | list[int] | list[float]
) -> NodeProto:
    node = NodeProto(op_type=op_type, name=output, input=inputs, output=[output])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return node
