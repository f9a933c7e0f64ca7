"""The app with a network that takes no time, for tests that look at everything but its masks.

In CI it is the small one of the networks that are deployed.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from shared_code.matte.built import BUILT_DIR, CATALOGUE, BuiltNetwork, Catalogue, Cost
from tests.functions_host.layout import LEFT_OUT
from tests.support.hosts import PROJECT

SIDE_PX = 320
_FILE = "quick.onnx"
_NAMES = ("u2net", "u2netp")


def make_quick_app(folder: Path, network: bytes | None = None) -> Path:
    """A folder that a host can be started on: links, and the usual names for `network` or the quick one."""
    built = folder / "models" / "built"
    built.mkdir(parents=True)
    for entry in PROJECT.iterdir():
        if entry.name not in {*LEFT_OUT, "models"}:
            (folder / entry.name).symlink_to(entry)
    if network is None:
        network = (BUILT_DIR / "u2netp.onnx").read_bytes() if os.environ.get("CI") else quick_network()
    (built / _FILE).write_bytes(network)
    sha256 = hashlib.sha256(network).hexdigest()
    cost = Cost(one_run_mb=50, two_runs_mb=60, seconds=0.01)
    networks = {name: BuiltNetwork(name, _FILE, sha256, SIDE_PX, None, None, cost) for name in _NAMES}
    (built / CATALOGUE).write_text(Catalogue(built, _NAMES[0], networks).json(), encoding="utf-8")
    return folder


def quick_network() -> bytes:
    """An ONNX file whose masks are a spot in the middle, with an edge that the picture's light moves."""
    import onnx  # takes 0.3 s, and most runs of a few tests need no host
    from onnx import TensorProto, helper, numpy_helper

    rows, columns = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    spot = (2400 - 4000 * np.hypot(rows, columns)).astype(np.float32)[np.newaxis]
    tensors = {"spot": spot, "share": np.float32(0.5), "none": np.float32(0), "all": np.float32(255)}
    nodes = [
        helper.make_node("Cast", ["rgb"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["light"], axes=[3], keepdims=0),
        helper.make_node("Mul", ["light", "share"], ["moves"]),
        helper.make_node("Add", ["spot", "moves"], ["wide"]),
        helper.make_node("Clip", ["wide", "none", "all"], ["levels"]),
        helper.make_node("Cast", ["levels"], ["mask"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "quick",
        [helper.make_tensor_value_info("rgb", TensorProto.UINT8, [1, SIDE_PX, SIDE_PX, 3])],
        [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, SIDE_PX, SIDE_PX])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    made: bytes = model.SerializeToString()
    return made
