"""One network of the manifest, from published weights to what the service loads.

Fetch the weights, quantize them, compare the result with the network as published at every side it is built
for, measure what it takes, and write models/built/<name>.onnx, with a stamp beside it: all it was made from,
and what it is.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from model_build.errors import FidelityError, GraphError, QuantizationError, told_as
from model_build.fetch import file_sha256, verified_weights
from model_build.manifest import Network
from model_build.measure import measured
from model_build.stamp import stamp
from shared_code.matte.built import BUILT_DIR, BuiltNetwork, Cost

FLOAT_MAX_MAE = 0.01
"""Of a network that is not quantized: rounding to 256 levels, and half precision, differ by less."""

_THREADS = 2
_FLOAT_PICTURES = 2
"""A larger network takes many seconds for one; that it is the same network shows on any."""


def already_built(network: Network, folder: Path = BUILT_DIR) -> BuiltNetwork | None:
    """The network, if its file is there, unaltered, and made of what is here now."""
    try:
        found = json.loads(_stamp_path(network, folder).read_text())
        built = BuiltNetwork.of(found["network"])
        if found["made_from"] != stamp(network) or file_sha256(_path(network, folder)) != built.sha256:
            return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return built


def build(network: Network, folder: Path = BUILT_DIR) -> BuiltNetwork:
    """Build one network, show what is done, and write it. Raises BuildError."""
    begin = time.monotonic()
    made_from = stamp(network)  # now, for the sources may change while this runs

    def step(what: str) -> None:
        print(f"[{network.name} {time.monotonic() - begin:4.0f} s] {what}", flush=True)

    step("fetching the weights")
    weights = verified_weights(network)
    model = make(network, weights, step)
    check_fidelity(network, weights, model, step)
    folder.mkdir(parents=True, exist_ok=True)
    step("measuring memory and time")
    with TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "measured.onnx"
        path.write_bytes(model)
        built = _described(network, hashlib.sha256(model).hexdigest())
        built = replace(built, cost=measured(built, path))
        # The stamp goes first and comes last, as it vouches for the rest.
        _stamp_path(network, folder).unlink(missing_ok=True)
        os.replace(path, _path(network, folder))
    content = json.dumps({"made_from": made_from, "network": asdict(built)}, indent=2)
    write_at_once(_stamp_path(network, folder), content.encode())
    step(f"built, {len(model) / 1e6:.1f} MB; {_said(built.cost)}")
    return built


def check_fidelity(network: Network, weights: Path, model: bytes, step: Callable[[str], None]) -> None:
    """Raises FidelityError unless the built model's masks are those of the network as published."""
    allowed = FLOAT_MAX_MAE if network.quantization is None else network.quantization.max_mae
    for side, mae in mean_differences(network, weights, model).items():
        step(f"mean difference to the network as published at {side} pixels: {mae:.4f}")
        if not mae <= allowed:
            raise FidelityError(
                f"{network.name}: its masks at {side} pixels differ from those of the network as published "
                f"by {mae:.4f} in the mean, and {allowed} is allowed"
            )


def _said(cost: Cost | None) -> str:
    if cost is None:
        return "what it takes cannot be measured on this system"
    return (
        f"{cost.seconds:.1f} s on one core, {cost.one_run_mb} MB, {cost.two_runs_mb} MB with two runs at once"
    )


def make(network: Network, weights: Path, step: Callable[[str], None]) -> bytes:
    """The network as it is shipped, an ONNX file; `step` is told what begins.

    The same bytes each time with the same library versions on the same kind of processor.
    Raises GraphError or QuantizationError.
    """
    # Imported here so that `already_built` answers before a second is spent on importing.
    from model_build import ends, graph, optimise, photos, quantize, reference

    step("reading the float network")
    model = graph.float_graph(weights, network)
    if network.quantization is not None:
        pictures = photos.calibration_pictures(network.input.side_px)
        inputs = [reference.normalise(picture, network.input) for picture in pictures]
        with told_as(QuantizationError, network.name):
            model = quantize.quantized(model, network.quantization, inputs, step)
    step("optimising the graph")
    with told_as(GraphError, network.name):
        return optimise.optimised(ends.with_uint8_ends(model, network))


def mean_differences(network: Network, weights: Path, model: bytes) -> dict[int, float]:
    """By side in pixels: mean absolute difference, 0..1, of the masks to those of the network as published.

    Over held-out photos: all for a quantized network, and a few for another. Raises GraphError.
    """
    import numpy as np

    from model_build import photos, reference
    from shared_code.matte.network import OnnxNetwork

    with told_as(GraphError, network.name):
        shipped = OnnxNetwork(_described(network, ""), model, _THREADS)
    differences = {}
    for side in filter(None, (network.input.side_px, network.input.second_side_px)):
        exact = reference.Reference(network, weights, side, _THREADS)
        pictures = photos.held_out_pictures(side)
        if network.quantization is None:
            pictures = islice(pictures, _FLOAT_PICTURES)
        with told_as(GraphError, network.name):
            found = [np.abs(shipped.mask(rgb) / 255 - exact.mask(rgb)).mean() for rgb in pictures]
        differences[side] = float(np.mean(found))
    return differences


def write_at_once(path: Path, content: bytes) -> None:
    """Nobody sees half a file."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_bytes(content)
    os.replace(scratch, path)


def _described(network: Network, sha256: str) -> BuiltNetwork:
    sides = network.input.side_px, network.input.second_side_px
    return BuiltNetwork(network.name, f"{network.name}.onnx", sha256, *sides, network.umpire)


def _path(network: Network, folder: Path) -> Path:
    return folder / f"{network.name}.onnx"


def _stamp_path(network: Network, folder: Path) -> Path:
    return folder / f"{network.name}.stamp"
