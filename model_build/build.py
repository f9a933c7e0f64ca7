"""`python -m model_build.build [NAME ...]`: build the networks of the manifest that are not built yet.

For each: fetch the weights, quantize them, compare the result with the float network, and write
models/built/<name>.onnx, its sha256 beside it, and a stamp of all it was made from. Then compile it for this
kind of processor, which spares the service half a second when it starts on such a one.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from model_build.errors import BuildError, FidelityError, ManifestError
from model_build.fetch import file_sha256, verified_weights
from model_build.manifest import Network, blob_path, built_path, load_manifest

_TOOLS = ("numpy", "onnx", "onnxruntime", "pillow", "scikit-image")


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
            if not is_compiled(networks[name]):
                compile_here(networks[name])
    except (ManifestError, BuildError) as error:
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
    """Build one network and write it. Raises BuildError."""
    begin = time.monotonic()
    stamp = _stamp(network)  # now, for the sources may change while this runs

    def step(what: str) -> None:
        print(f"[{network.name} {time.monotonic() - begin:4.0f} s] {what}", flush=True)

    step("fetching the weights")
    weights = verified_weights(network)
    model = make(network, weights, step)
    if network.quantization is not None:
        step("comparing with the float network")
        mae = mean_difference(network, weights, model)
        step(f"mean difference {mae:.4f}, {network.quantization.max_mae} allowed")
        if mae > network.quantization.max_mae:
            raise FidelityError(f"{network.name}: mean difference {mae:.4f} to the float network")
    _install(network, model, stamp)
    step(f"built, {len(model) / 1e6:.1f} MB")


def is_compiled(network: Network) -> bool:
    """Whether it is compiled for this processor, unaltered."""
    from shared_code.matte.networks import ModelError, load_compiled

    try:
        return load_compiled(network, threads=1) is not None
    except ModelError:
        return False


def compile_here(network: Network) -> None:
    """Write the compiled network and its sha256."""
    from shared_code.matte import inference

    model, blob = built_path(network.name), blob_path(network.name)
    content = inference.exported(inference.compiled(model.read_bytes(), threads=1))
    _write(blob, content)
    sums = [f"{file_sha256(path)}  {path.name}\n" for path in (model, blob)]
    _write(_sha256_path(model), "".join(sums).encode())


def make(network: Network, weights: Path, step: Callable[[str], None]) -> bytes:
    """The network as it is shipped, an ONNX file; `step` is told what begins.

    The same bytes each time with the same library versions on the same kind of processor.
    Raises GraphError or QuantizationError.
    """
    # Imported here so that `is_built` answers before a second is spent on importing.
    from model_build import ends, graph, photos, quantize, reference

    step("reading the float network")
    model = graph.float_graph(weights, network)
    if network.quantization is not None:
        pictures = photos.calibration_pictures(network.input.side_px)
        inputs = [reference.normalise(picture, network.input) for picture in pictures]
        model = quantize.quantized(model, network.quantization.float_convolutions, inputs, step)
    content: bytes = ends.with_uint8_ends(model, network).SerializeToString(deterministic=True)
    return content


def mean_difference(network: Network, weights: Path, model: bytes) -> float:
    """Mean absolute difference, 0..1, of the built model's masks to the float network's, held-out photos."""
    import numpy as np

    from model_build import photos, reference
    from shared_code.matte import inference
    from shared_code.matte.network import OnnxNetwork

    shipped = OnnxNetwork(network, "", 2, lambda at_once: inference.compiled(model, 2, at_once))
    exact = reference.Reference(network, weights)
    pictures = photos.held_out_pictures(network.input.side_px)
    return float(np.mean([np.abs(shipped.mask(rgb) / 255 - exact.mask(rgb)).mean() for rgb in pictures]))


def _install(network: Network, model: bytes, stamp: str) -> None:
    """Write the model and what belongs to it, each at once; the stamp last, as it vouches for the rest."""
    path = built_path(network.name)
    path.parent.mkdir(exist_ok=True)
    _stamp_path(path).unlink(missing_ok=True)
    _write(path, model)
    _write(_sha256_path(path), f"{hashlib.sha256(model).hexdigest()}  {path.name}\n".encode())
    _write(_stamp_path(path), stamp.encode())


def _stamp(network: Network) -> str:
    """Everything the built file depends on but the machine."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    tools = [f"{tool} {metadata.version(tool)}" for tool in _TOOLS]
    return hashlib.sha256(repr((network, tools)).encode() + sources).hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".stamp")


def _sha256_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_bytes(content)
    os.replace(scratch, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
