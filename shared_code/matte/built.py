"""The output of `python -m model_build`: ONNX files, and networks.json, which describes them.

The service needs nothing else from the build. An ONNX file has one input and one output:
uint8 RGB (1, height, width, 3), 0..255, and uint8 (1, height, width), 0 background .. 255 foreground.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BUILT_DIR = Path(__file__).parents[2] / "models" / "built"
CATALOGUE = "networks.json"


class ModelError(RuntimeError):
    """A network cannot be loaded: not built, altered, or not what networks.json says."""


@dataclass(frozen=True)
class Cost:
    """What a network takes, as the builder measured it on its machine.

    Memory in MiB, resident, beside that of a process without it: with one run at a time, and with two.
    `seconds`: of one run on one core.
    """

    one_run_mb: int
    two_runs_mb: int
    seconds: float


@dataclass(frozen=True)
class BuiltNetwork:
    """One ONNX file.

    `side_px` is the width and height of its input. With a `second_side_px` it can run at that side too, and
    does if its first mask is undecided; `umpire` names the network that decides if its masks differ. `cost`
    is None if it could not be measured.
    """

    name: str
    file: str
    sha256: str
    side_px: int
    second_side_px: int | None
    umpire: str | None
    cost: Cost | None = None

    @staticmethod
    def of(fields: Mapping[str, Any]) -> "BuiltNetwork":
        """From what `asdict` made of one. Raises TypeError or KeyError for anything else."""
        cost = fields.get("cost")
        return BuiltNetwork(**{**fields, "cost": None if cost is None else Cost(**cost)})


@dataclass(frozen=True)
class Catalogue:
    """The networks of a folder, by name, and which is used when none is asked for."""

    folder: Path
    default: str
    networks: Mapping[str, BuiltNetwork]

    def json(self) -> str:
        """The content of networks.json, as `read_catalogue` takes it."""
        networks = {name: asdict(network) for name, network in self.networks.items()}
        return json.dumps({"default": self.default, "networks": networks}, indent=2) + "\n"

    def checked_path(self, name: str) -> Path:
        """The ONNX file of a network, its sha256 checked. Raises ModelError.

        The checksum detects a damaged file, not a deliberate replacement.
        """
        network = self.networks[name]
        path = self.folder / network.file
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}); `make model` builds it") from error
        if sha256 != network.sha256:
            raise ModelError(f"{path} has sha256 {sha256}, not {network.sha256}; build it again")
        return path


def read_catalogue(folder: Path = BUILT_DIR) -> Catalogue:
    """What is built in the folder. Raises ModelError when nothing is, or networks.json is damaged."""
    path = folder / CATALOGUE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        networks = {name: BuiltNetwork.of(fields) for name, fields in found["networks"].items()}
        catalogue = Catalogue(folder, found["default"], networks)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); `make model` builds it") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is damaged; `make model` writes it again") from error
    for name in (catalogue.default, *(network.umpire for network in networks.values())):
        if name is not None and name not in networks:
            raise ModelError(f"{path} has no network {name!r}; `make model` builds it")
    return catalogue
