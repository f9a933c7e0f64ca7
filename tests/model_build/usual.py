"""The first form of a network that the builder tries, neither compared nor measured."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from model_build.forms import Workshop
from model_build.manifest import Network


def usual_model(network: Network, weights: Path, step: Callable[[str], None] = lambda _: None) -> bytes:
    """An ONNX file. Raises BuildError or BuildError."""
    with TemporaryDirectory() as folder:
        workshop = Workshop(network, weights, Path(folder), step)
        return workshop.model(workshop.usual)
