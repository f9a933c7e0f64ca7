"""Small float graphs, as `model_build.graph.float_graph` would leave them."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(1)


def graph_of(nodes: list[NodeProto], output: str, **constants: NDArray[np.generic]) -> ModelProto:
    """A graph that reads x, float32 (1, 3, 8, 8)."""
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    mask = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "small", [picture], [mask], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def chain(**weights: NDArray[np.float32]) -> ModelProto:
    """A Relu of x, then convolutions one after the other, each with a Relu behind it."""
    nodes, value = [helper.make_node("Relu", ["x"], ["start"], "start")], "start"
    constants: dict[str, NDArray[np.generic]] = {}
    for name, weight in weights.items():
        constants |= {f"{name}/w": weight, f"{name}/b": np.zeros(len(weight), np.float32)}
        shape = list(weight.shape[2:])
        pads = [side // 2 for side in (*shape, *shape)]
        nodes.append(
            helper.make_node(
                "Conv", [value, f"{name}/w", f"{name}/b"], [name], name, kernel_shape=shape, pads=pads
            )
        )
        nodes.append(helper.make_node("Relu", [name], [f"{name}/relu"], f"{name}/relu"))
        value = f"{name}/relu"
    return graph_of(nodes, value, **constants)


def pointwise(*shape: int) -> NDArray[np.float32]:
    """Random weights of 1 x 1 kernels."""
    return RANDOM.normal(0, 1, (*shape, 1, 1)).astype(np.float32)


def run(model: ModelProto, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the graph makes of x."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    (output,) = session.run(None, {"x": picture})
    return np.asarray(output, np.float32)
