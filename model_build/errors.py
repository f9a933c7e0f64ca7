"""Why a network cannot be described or built, as one sentence for whoever runs the build."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

_CODES = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S* ?failed: ?|\S+\.(cc|h):\d+ .*?\) (?=\S)"
)
_MOST_CHARACTERS = 300


class BuildError(RuntimeError):
    """The manifest is wrong, the weights are not to be had, or the network is not as the manifest says."""


@contextmanager
def told_as(what: str) -> Iterator[None]:
    """Turn whatever is raised inside into a BuildError of one sentence that begins with `what`.

    Both ONNX libraries raise bare exceptions besides their own classes, with lines of their sources.
    """
    try:
        yield
    except BuildError:
        raise
    except Exception as error:
        lines = (line.strip() for line in _CODES.sub("", str(error)).splitlines())
        said = next(filter(None, lines), type(error).__name__)
        raise BuildError(f"{what}: {shorten(said, _MOST_CHARACTERS, placeholder=' ...')}") from error
