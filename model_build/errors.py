"""Why a network cannot be described or built.

ManifestError            the manifest is wrong (a ValueError)
BuildError
├── FetchError           the weights could not be had, or are others
├── GraphError           the ONNX file is not what the manifest describes, or cannot be run
├── QuantizationError    the network cannot be quantized as described
└── FidelityError        what was built differs too much from the network as published
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

_CODES = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S* ?failed: ?|\S+\.(cc|h):\d+ .*?\) (?=\S)"
)
_MOST_CHARACTERS = 300


class ManifestError(ValueError):
    """The manifest is not JSON, or a field is missing, unknown or has a wrong value."""


class BuildError(RuntimeError):
    """A network cannot be built."""


class FetchError(BuildError):
    """The weights could not be had, or are not the ones the manifest names."""


class GraphError(BuildError):
    """The ONNX file is not what the manifest describes, or nobody can run it."""


class QuantizationError(BuildError):
    """The network cannot be quantized as the manifest describes it."""


class FidelityError(BuildError):
    """What was built is further from the network as published than it may be."""


@contextmanager
def told_as(kind: type[BuildError], what: str) -> Iterator[None]:
    """What a library raises, as one sentence that begins with `what`.

    Both ONNX libraries raise bare exceptions beside their own classes, with lines of their sources.
    """
    try:
        yield
    except BuildError:
        raise
    except Exception as error:
        lines = (line.strip() for line in _CODES.sub("", str(error)).splitlines())
        said = next(filter(None, lines), type(error).__name__)
        raise kind(f"{what}: {shorten(said, _MOST_CHARACTERS, placeholder=' ...')}") from error
