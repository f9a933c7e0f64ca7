"""How good the mattes are: `python -m bench.quality [FOLDER] [SET ...]`.

FOLDER holds one folder a set, each with `image/` and `alpha/`, pictures and true mattes of the same stems.
What ships is run as the service runs it, bytes in and PNG out, beside the float32 network at 320 pixels with
plain Lanczos up-scaling, as rembg does.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from bench.edge_colours import edge_colour_rows
from bench.metrics import Scores, mean_scores, score
from bench.report import Table
from bench.samples import Sample, samples, set_names
from model_build.fetch import verified_weights
from model_build.fidelity import Reference
from model_build.manifest import load_manifest
from shared_code.matte.built import read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import load_network
from shared_code.modes import Mode
from shared_code.progress import Progress
from tests.support.rooms import cut_out

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "quality"

_NAME = "u2net"
_PEERS_SIDE = 320
_BAD_IOU = 0.7
_THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3)

type Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Networks:
    """The shipped network, and by side the one it was made from."""

    shipped: OnnxNetwork
    exact: dict[int, Reference]


@dataclass
class Watched:
    """A shipped network; notes the sides of what it is shown, its umpire's among them."""

    network: OnnxNetwork
    seen: list[int]

    @property
    def side(self) -> int:
        """The network's own."""
        return self.network.side

    @property
    def second_side(self) -> int | None:
        """The network's own."""
        return self.network.second_side

    @property
    def umpire(self) -> "Watched | None":
        """The network's own, watched too."""
        return None if self.network.umpire is None else Watched(self.network.umpire, self.seen)

    def mask(self, rgb: Bytes, progress: Progress | None = None) -> Bytes:
        """The network's own."""
        self.seen.append(len(rgb))
        return self.network.mask(rgb, progress)


@dataclass(frozen=True)
class Compared:
    """One picture: scores of the float network's matte and of the service's, and how the latter came about.

    runs: of networks for it. differences: by side, mean absolute difference of the 8-bit mask to the float
    one, 0..1.
    """

    plain: Scores
    service: Scores
    runs: int
    uncertainty: float
    differences: dict[int, float]


def run(folder: Path = DEFAULT_FOLDER, only: tuple[str, ...] = ()) -> list[Table]:
    """Mattes against the truth, how sure the network is of bad ones, what quantization changes, colours."""
    networks = _load()
    found: dict[str, list[Compared]] = {}
    colour_rows = []
    for name in only or set_names(folder):
        pictures = list(samples(folder / name))
        if pictures:
            label = f"{name} ({len(pictures)})"
            found[label] = [_compare(picture, networks) for picture in pictures]
            colour_rows += [[label, *row] for row in edge_colour_rows(pictures, networks.shipped)]
    everything = [each for compared in found.values() for each in compared]
    found[f"all ({len(everything)})"] = everything
    tables = [
        _table("Mattes against the truth", _MATTE_NOTE, _MATTE_COLUMNS, found, _matte_rows),
        Table("How sure it is of bad mattes", _SURE_NOTE, _SURE_COLUMNS, _sure_rows(everything)),
        _table(
            "What quantization changes", _QUANTIZATION_NOTE, _QUANTIZATION_COLUMNS, found, _quantization_rows
        ),
    ]
    if colour_rows:
        tables.append(Table("Colours at the edge", _COLOUR_NOTE, _COLOUR_COLUMNS, colour_rows))
    return tables


_MATTE_COLUMNS = ("set", "matte", "MAE", "MSE", "gradient", "IoU", "boundary F", "runs")
_MATTE_NOTE = (
    "Means over each set; the number of pictures in brackets. Gradient error in thousands. Runs are those of "
    "networks for a picture. The float32 "
    f"network sees {_PEERS_SIDE} pixels and is scaled up by Lanczos."
)
_SURE_COLUMNS = ("uncertainty from", "of all", "of the bad", "bad among them", "IoU of the others")
_SURE_NOTE = f"All pictures; a matte is bad when its IoU is below {_BAD_IOU}."
_QUANTIZATION_COLUMNS = ("set", "side", "mean difference")
_QUANTIZATION_NOTE = "Mean absolute difference of the 8-bit network's mask to the float32 network's, 0..1."
_COLOUR_COLUMNS = ("set", "matte", "pictures", "input's colour", "estimated", "ratio")
_COLOUR_NOTE = (
    "Composites of known foregrounds over the set's next picture; mean absolute error of 255. With the true "
    "matte: at its partial pixels. With the service's own: at its partial pixels within 3 pixels of the true "
    "soft edge, weighted by alpha, where the network finds the object (IoU at least 0.7)."
)


def _load() -> Networks:
    description = load_manifest().networks[_NAME]
    shipped = load_network(read_catalogue(), _NAME, os.process_cpu_count() or 1)
    weights = verified_weights(description)
    sides = {_PEERS_SIDE, shipped.side, shipped.second_side or shipped.side}
    return Networks(shipped, {side: Reference(description, weights, side) for side in sorted(sides)})


def _compare(picture: Sample, networks: Networks) -> Compared:
    exact, differences = {}, {}
    for side, reference in networks.exact.items():
        small = np.asarray(picture.rgb.resize((side, side), Resampling.LANCZOS))
        exact[side] = reference.mask(small)
        shipped = networks.shipped.mask(small).astype(np.float32) / 255
        differences[side] = float(np.abs(exact[side] - shipped).mean())
    mask = Image.fromarray(np.rint(exact[_PEERS_SIDE] * 255).astype(np.uint8))
    plain = np.asarray(mask.resize(picture.rgb.size, Resampling.LANCZOS))
    watched = Watched(networks.shipped, [])
    matte, uncertainty = service_matte(picture.data, watched)
    return Compared(
        plain=score(plain, picture.truth),
        service=score(matte, picture.truth),
        runs=len(watched.seen),
        uncertainty=uncertainty,
        differences=differences,
    )


def service_matte(data: bytes, network: Watched) -> tuple[Bytes, float]:
    """The matte the service answers for these bytes, uint8 (height, width), and its uncertainty."""
    progress = Progress()
    cutout = cut_out(data, Mode.FOREGROUND_MATTING, network, progress=progress)
    matte = np.concatenate([cutout.rows(top) for top in cutout.strip_tops])
    return matte, progress.findings.uncertainty or 0.0


def _table(
    title: str,
    note: str,
    columns: tuple[str, ...],
    found: dict[str, list[Compared]],
    rows: Callable[[list[Compared]], Iterable[list[str]]],
) -> Table:
    return Table(title, note, columns, [[label, *row] for label, some in found.items() for row in rows(some)])


def _matte_rows(some: list[Compared]) -> list[list[str]]:
    runs = f"{np.mean([each.runs for each in some]):.2f}"
    return [
        ["float32, plain", *_cells(mean_scores([each.plain for each in some])), ""],
        ["service", *_cells(mean_scores([each.service for each in some])), runs],
    ]


def _cells(scores: Scores) -> list[str]:
    fractions = f"{scores.mae:.4f}", f"{scores.mse:.4f}"
    return [*fractions, f"{scores.gradient:.2f}", f"{scores.iou:.4f}", f"{scores.boundary_f:.4f}"]


def _sure_rows(some: list[Compared]) -> list[list[str]]:
    bad = np.array([each.service.iou < _BAD_IOU for each in some])
    overlap = np.array([each.service.iou for each in some])
    rows = []
    for threshold in _THRESHOLDS:
        above = np.array([each.uncertainty >= threshold for each in some])
        caught = f"{bad[above].sum()} of {bad.sum()}"
        among = f"{bad[above].mean():.0%}" if above.any() else ""
        others = f"{overlap[~above].mean():.3f}" if not above.all() else ""
        rows.append([f"{threshold:.2f}", f"{above.mean():.0%}", caught, among, others])
    return rows


def _quantization_rows(some: list[Compared]) -> list[list[str]]:
    sides = some[0].differences
    return [[str(side), f"{np.mean([each.differences[side] for each in some]):.4f}"] for side in sides]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("sets", nargs="*")
    arguments = parser.parse_args()
    for table in run(arguments.folder, tuple(arguments.sets)):
        print(table.markdown(), flush=True)


if __name__ == "__main__":
    main()
