"""What a built file was made from, as one number: when it changes, the file is built again."""

import ast
import hashlib
from importlib import metadata
from pathlib import Path

from model_build.manifest import Network

_NO_PART = {"__main__", "download", "errors", "fetch", "stamp"}
"""Modules that change nothing in what is built: the weights have a sum of their own."""
_TOOLS = ("numpy", "onnx", "onnxruntime", "pillow", "scikit-image")


def stamp(network: Network) -> str:
    """Of everything the built file depends on but the machine."""
    modules = sorted(path for path in Path(__file__).parent.glob("*.py") if path.stem not in _NO_PART)
    sources = [meaning(path.read_text(encoding="utf-8")) for path in modules]
    tools = [f"{tool} {metadata.version(tool)}" for tool in _TOOLS]
    return hashlib.sha256(repr((network, tools, sources)).encode()).hexdigest()


def meaning(source: str) -> str:
    """What a module does: its text without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )
