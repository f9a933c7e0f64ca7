"""One network of the manifest, from published weights to what the service loads.

Fetch the weights, make the best form of them, and write models/built/<name>.onnx. A stamp beside it says what
it was made from.
"""

import ast
import hashlib
import json
import os
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from model_build.fetch import file_sha256, verified_weights
from model_build.manifest import Network
from shared_code.matte.built import BUILT_DIR, BuiltNetwork

_NO_PART = {"__main__", "build", "download", "errors", "fetch"}
"""Modules that do not affect the built file: the weights are known by their sha256."""
_ERRORS = 3
"""ONNX Runtime also warns of each constant that no node reads; a graph with a second side leaves many."""
_TOOLS = ("numpy", "onnx", "onnxruntime", "pillow", "scikit-image")


def already_built(network: Network, folder: Path = BUILT_DIR) -> BuiltNetwork | None:
    """The network, if its file exists, is unaltered, and was made from the present sources."""
    try:
        found = json.loads(_stamp_path(network, folder).read_text())
        built = BuiltNetwork.of(found["network"])
        if found["made_from"] != _stamp(network) or file_sha256(folder / built.file) != built.sha256:
            return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return built


def build(network: Network, folder: Path = BUILT_DIR) -> BuiltNetwork:
    """Build one network, print each step, and write the file. Raises BuildError."""
    # Imported here so that `already_built` answers before a second is spent on importing.
    import onnxruntime

    from model_build.forms import best_form

    onnxruntime.set_default_logger_severity(_ERRORS)
    begin = time.monotonic()
    made_from = _stamp(network)  # now, because the sources may change during the build

    def step(what: str) -> None:
        print(f"[{network.name} {time.monotonic() - begin:4.0f} s] {what}", flush=True)

    step("fetching the weights")
    best = best_form(network, verified_weights(network), step)
    folder.mkdir(parents=True, exist_ok=True)
    # The stamp is deleted first and written last, so that it never belongs to another file.
    _stamp_path(network, folder).unlink(missing_ok=True)
    write_at_once(folder / best.built.file, best.model)
    content = {"made_from": made_from, "network": asdict(best.built), "form": best.name}
    write_at_once(_stamp_path(network, folder), json.dumps(content, indent=2).encode())
    step(f"built, {len(best.model) / 1e6:.1f} MB")
    return best.built


def write_at_once(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_bytes(content)
    scratch.replace(path)


def _stamp_path(network: Network, folder: Path) -> Path:
    return folder / f"{network.name}.stamp"


def _stamp(network: Network) -> str:
    """The sha256 of everything that the built file depends on, except the machine."""
    modules = sorted(path for path in Path(__file__).parent.glob("*.py") if path.stem not in _NO_PART)
    sources = [meaning(path.read_text(encoding="utf-8")) for path in modules]
    tools = [f"{tool} {metadata.version(tool)}" for tool in _TOOLS]
    return hashlib.sha256(repr((network, tools, sources)).encode()).hexdigest()


def meaning(source: str) -> str:
    """What a module does: its text without comments, docstrings and layout."""
    return ast.dump(_WithoutTexts().visit(ast.parse(source)))


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
