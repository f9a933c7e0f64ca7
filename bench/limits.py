"""What this machine could do at best: memory, deflate and arithmetic, to hold the stages against."""

import os
from dataclasses import replace

import numpy as np
import onnxruntime as ort
from isal import isal_zlib
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from bench.photos import sized
from bench.report import Table
from bench.timing import fastest
from model_build.fetch import verified_weights
from model_build.graph import float_graph
from model_build.manifest import load_manifest
from shared_code.encode.png import DEFLATE_LEVEL, PngColour, deflate_strip

_ROUNDS = 7
_ROWS, _INNER, _COLUMNS = 400, 1024, 1024
_SHORT_ROUNDS = 100


def run() -> list[Table]:
    """memcpy, deflate alone and filter + deflate on the pixels of a 12 megapixel cut-out; 8-bit products."""
    photo = np.asarray(sized(4000, 3000).convert("RGBA")).reshape(3000, -1)
    strips = [photo[top : top + 65] for top in range(0, 3000, 65)]
    copy = memcpy_seconds(photo.nbytes)
    filtered = [np.ascontiguousarray(strip[1:] - strip[:-1]) for strip in strips]
    plain = deflate_seconds(filtered)
    whole = fastest(lambda: [deflate_strip(strip, PngColour.RGBA) for strip in strips], _ROUNDS)
    rows = [
        ["memcpy", f"{copy * 1000:.1f} ms", f"{photo.nbytes / copy / 1e9:.1f} GB/s"],
        ["deflate alone (isal)", f"{plain * 1000:.0f} ms", f"{photo.nbytes / plain / 1e9:.2f} GB/s"],
        [
            "our filter + deflate + checksum",
            f"{whole * 1000:.0f} ms",
            f"{photo.nbytes / whole / 1e9:.2f} GB/s",
        ],
        ["8-bit products, all cores", "", f"{products_per_second() / 1e9:.0f} billion/s"],
    ]
    note = (
        f"The RGBA pixels of 12 megapixels, one thread, fastest of {_ROUNDS}; and one product of "
        f"8-bit matrices, {_ROWS} x {_INNER} by {_INNER} x {_COLUMNS}."
    )
    return [Table("Limits of the machine", note, ("step", "time", "rate"), rows)]


def memcpy_seconds(size: int) -> float:
    """To copy that many bytes, one thread."""
    source = np.ones(size, np.uint8)
    target = np.empty_like(source)
    return fastest(lambda: np.copyto(target, source), _ROUNDS)


def deflate_seconds(strips: list[NDArray[np.uint8]]) -> float:
    """To deflate filtered rows, one thread."""
    return fastest(lambda: [isal_zlib.compress(strip, DEFLATE_LEVEL, -15) for strip in strips], _ROUNDS)


def products_per_second() -> float:
    """8-bit products that are added up, on all cores: a product of matrices that fit the caches.

    ONNX Runtime's 8-bit convolutions are made of such products, so they cannot be quicker.
    """
    random = np.random.default_rng(1)
    weights = numpy_helper.from_array(random.integers(-64, 64, (_INNER, _COLUMNS), np.int8), "weights")
    levels = helper.make_tensor_value_info("levels", TensorProto.UINT8, [_ROWS, _INNER])
    output = helper.make_tensor_value_info("y", TensorProto.INT32, [_ROWS, _COLUMNS])
    node = helper.make_node("MatMulInteger", ["levels", "weights"], ["y"])
    graph = helper.make_graph([node], "limit", [levels], [output], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = os.process_cpu_count() or 1
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    feeds = {"levels": random.integers(0, 255, (_ROWS, _INNER), np.uint8)}
    return _ROWS * _INNER * _COLUMNS / fastest(lambda: session.run(None, feeds), _SHORT_ROUNDS)


def network_products(name: str) -> int:
    """How many products the convolutions of a network of the manifest take at its first side."""
    network = load_manifest().networks[name]
    network = replace(network, input=replace(network.input, second_side_px=None))
    model = shape_inference.infer_shapes(float_graph(verified_weights(network), network))
    dims = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    places = {
        each.name: [axis.dim_value for axis in each.type.tensor_type.shape.dim]
        for each in (*model.graph.value_info, *model.graph.output)
    }
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return sum(
        int(np.prod(dims[node.input[1]])) * int(np.prod(places[node.output[0]][2:])) for node in convolutions
    )
