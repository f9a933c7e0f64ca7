"""One network of the manifest, from published weights to what the service loads.

Fetch the weights, quantize them, compare the result with the float network at every side it is built for,
and write models/built/<name>.onnx, with a stamp of all it was made from beside it.
"""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from model_build.errors import FidelityError
from model_build.fetch import file_sha256, verified_weights
from model_build.manifest import Network
from model_build.stamp import stamp
from shared_code.matte.built import BUILT_DIR, BuiltNetwork

_THREADS = 2


def already_built(network: Network, folder: Path = BUILT_DIR) -> BuiltNetwork | None:
    """The network, if its file is there, unaltered, and made of what is here now."""
    try:
        made_from, sha256 = _stamp_path(network, folder).read_text().split()
        if made_from != stamp(network) or file_sha256(_path(network, folder)) != sha256:
            return None
    except (OSError, ValueError):
        return None
    return _described(network, sha256)


def build(network: Network, folder: Path = BUILT_DIR) -> BuiltNetwork:
    """Build one network, show what is done, and write it. Raises BuildError."""
    begin = time.monotonic()
    made_from = stamp(network)  # now, for the sources may change while this runs

    def step(what: str) -> None:
        print(f"[{network.name} {time.monotonic() - begin:4.0f} s] {what}", flush=True)

    step("fetching the weights")
    weights = verified_weights(network)
    model = make(network, weights, step)
    built = _described(network, hashlib.sha256(model).hexdigest())
    if network.quantization is not None:
        for side, mae in mean_differences(network, weights, model).items():
            step(f"mean difference to the float network at {side} pixels: {mae:.4f}")
            if mae > network.quantization.max_mae:
                raise FidelityError(f"{network.name}: {network.quantization.max_mae} is allowed")
    folder.mkdir(parents=True, exist_ok=True)
    # The stamp goes first and comes last, as it vouches for the rest.
    _stamp_path(network, folder).unlink(missing_ok=True)
    write_at_once(_path(network, folder), model)
    write_at_once(_stamp_path(network, folder), f"{made_from} {built.sha256}\n".encode())
    step(f"built, {len(model) / 1e6:.1f} MB")
    return built


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
        model = quantize.quantized(model, network.quantization, inputs, step)
    step("optimising the graph")
    return optimise.optimised(ends.with_uint8_ends(model, network))


def mean_differences(network: Network, weights: Path, model: bytes) -> dict[int, float]:
    """By side in pixels: mean absolute difference, 0..1, of the built model's masks to the float network's.

    Over held-out photos.
    """
    import numpy as np

    from model_build import photos, reference
    from shared_code.matte.network import OnnxNetwork

    shipped = OnnxNetwork(_described(network, ""), model, _THREADS)
    differences = {}
    for side in filter(None, (network.input.side_px, network.input.second_side_px)):
        exact = reference.Reference(network, weights, side, _THREADS)
        pictures = photos.held_out_pictures(side)
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
