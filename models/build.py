"""`python -m models.build [NAME ...]`: build the networks of the manifest that are not built yet.

For each: fetch the weights, quantize them, compare the result with the float network, and write
models/built/<name>.onnx, its sha256 beside it, and a stamp of all it was made from.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from models.fetch import FetchError, file_sha256, verified_weights
from models.manifest import BUILT_DIR, MODELS_DIR, ManifestError, Network, built_path, load_manifest

_TOOLS = ("numpy", "onnx", "onnxruntime", "pillow", "scikit-image")


class FidelityError(RuntimeError):
    """The int8 network is further from the float one than the manifest allows."""


def main(names: list[str]) -> int:
    """Build the named networks, or all; 0 when each is there."""
    try:
        networks = load_manifest().networks
        unknown = [name for name in names if name not in networks]
        if unknown:
            raise ManifestError(f"the manifest has no network {unknown[0]}")
        for name in names or networks:
            if not is_built(networks[name]):
                build(networks[name])
    except (ManifestError, FetchError, FidelityError) as error:
        print(f"model not built: {error}", file=sys.stderr)
        return 1
    return 0


def is_built(network: Network) -> bool:
    """Whether the file is there, unaltered, and made of what is here now."""
    path = built_path(network.name)
    try:
        stamped = _stamp_path(path).read_text() == _stamp(network)
        return stamped and file_sha256(path) == _sha256_path(path).read_text().split()[0]
    except (OSError, IndexError):
        return False


def build(network: Network) -> None:
    """Build one network and write it. Raises FetchError or FidelityError."""
    begin = time.monotonic()

    def step(what: str) -> None:
        print(f"[{network.name} {time.monotonic() - begin:4.0f} s] {what}", flush=True)

    step("fetching the weights")
    weights = verified_weights(network)
    model = make(network, weights, step)
    step("comparing with the float network")
    check_fidelity(network, weights, model)
    path = built_path(network.name)
    BUILT_DIR.mkdir(exist_ok=True)
    _write(path, model)
    _write(_sha256_path(path), f"{hashlib.sha256(model).hexdigest()}  {path.name}\n".encode())
    _write(_stamp_path(path), _stamp(network).encode())
    step(f"built {path.name}, {len(model) / 1e6:.1f} MB")


def make(network: Network, weights: Path, step: Callable[[str], None]) -> bytes:
    """The network as it is shipped, an ONNX file; the same bytes each time on the same kind of machine."""
    from models import graph, photos, quantize, reference

    step("reading the float network")
    model = graph.float_graph(weights, network)
    if network.quantization is not None:
        step("quantizing")
        crops = photos.calibration_pictures(network.input.side_px)
        pictures = [reference.normalise(crop, network.input) for crop in crops]
        model = quantize.quantized(model, network.quantization.float_convolutions, pictures)
    step("optimising")
    return graph.shipped_graph(graph.with_uint8_ends(model, network)).SerializeToString(deterministic=True)


def check_fidelity(network: Network, weights: Path, model: bytes) -> None:
    """Compare masks with the float network's over the held-out photos. Raises FidelityError."""
    import numpy as np

    from models import photos, reference

    if network.quantization is None:
        return
    session = reference.shipped_session(model)
    exact = reference.Reference(network, weights)
    differences = [
        np.abs(exact.mask(photo) - reference.shipped_mask(session, photo)).mean()
        for photo in photos.held_out_pictures(network.input.side_px)
    ]
    mae = float(np.mean(differences))
    if mae > network.quantization.max_mae:
        allowed = network.quantization.max_mae
        raise FidelityError(
            f"{network.name}: mean difference {mae:.4f} to the float network, {allowed} allowed"
        )


def _stamp(network: Network) -> str:
    """Everything the built file depends on but the machine."""
    sources = b"".join(path.read_bytes() for path in sorted(MODELS_DIR.glob("*.py")))
    tools = [f"{tool} {metadata.version(tool)}" for tool in _TOOLS]
    return hashlib.sha256(repr((network, tools)).encode() + sources).hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".stamp")


def _sha256_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_name(path.name + ".new")
    scratch.write_bytes(content)
    os.replace(scratch, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
