"""How good the mattes are: `python -m bench.quality [FOLDER] [SET ...]`.

FOLDER holds one folder a set, each with `image/` and `alpha/`, pictures and true mattes of the same stems.
What ships is run as the service runs it, bytes in and PNG out, beside two baselines on the same pictures:
the float32 network with plain Lanczos up-scaling, as rembg does, and the shipped network without refinement.
"""

import argparse
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.Image import Resampling

from bench.composites import ColourErrors, composite, errors_with_own_matte, errors_with_true_matte
from bench.metrics import Scores, mean_scores, score
from bench.report import Table
from model_build.fetch import verified_weights
from model_build.manifest import load_manifest
from model_build.reference import Reference
from shared_code import pipeline
from shared_code.matte.built import read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import load_network
from shared_code.matte.refine import Guide, Matte, guide_size, refine
from shared_code.pipeline import Mode, Style

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "quality"

_SOFT_SHARE = 0.01
_FOUND_IOU = 0.7

type Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """A picture with its true matte."""

    data: bytes
    rgb: Image.Image
    """Upright."""
    truth: Bytes
    """uint8, (height, width)."""

    @property
    def is_soft(self) -> bool:
        """Whether the true matte is a matte: a mask has a line of partial pixels at most."""
        partial = (self.truth > 0) & (self.truth < 255)
        return bool(partial.mean() > _SOFT_SHARE and (self.truth == 255).any())


@dataclass(frozen=True)
class Networks:
    """The shipped network, and the one it was made from."""

    shipped: OnnxNetwork
    reference: Reference


def samples(folder: Path) -> Iterator[Sample]:
    """The pictures of one set that have a matte of their own size."""
    for path in sorted((folder / "image").iterdir()):
        alpha = folder / "alpha" / f"{path.stem}.png"
        if not alpha.is_file():
            continue
        data = path.read_bytes()
        rgb = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        truth = Image.open(alpha)
        gray = truth.getchannel("A") if truth.mode in ("RGBA", "LA") else truth.convert("L")
        if gray.size == rgb.size:
            yield Sample(data, rgb, np.asarray(gray))


def run(folder: Path = DEFAULT_FOLDER, only: tuple[str, ...] = ()) -> list[Table]:
    """Mattes against the truth, the network's loss by quantization, and colours at the edge."""
    description = load_manifest().networks["u2net"]
    shipped = load_network(read_catalogue(), "u2net", os.process_cpu_count() or 1)
    networks = Networks(shipped, Reference(description, verified_weights(description), shipped.side))
    names = only or tuple(sorted(path.name for path in folder.iterdir() if (path / "image").is_dir()))
    matte_rows, quantization_rows, colour_rows = [], [], []
    for name in names:
        pictures = list(samples(folder / name))
        if not pictures:
            continue
        rows, difference = _compare(pictures, networks)
        label = f"{name} ({len(pictures)})"
        matte_rows += [[label, *row] for row in rows]
        quantization_rows.append([label, f"{difference:.4f}"])
        colour_rows += [[label, *row] for row in _compare_colours(pictures, shipped)]
    scores = ("set", "matte", "MAE", "MSE", "gradient", "IoU", "boundary F")
    tables = [
        Table("Mattes against the truth", _MATTE_NOTE, scores, matte_rows),
        Table("What quantization changes", _QUANTIZATION_NOTE, ("set", "mean difference"), quantization_rows),
    ]
    if colour_rows:
        columns = ("set", "matte", "pictures", "input's colour", "estimated", "ratio")
        tables.append(Table("Colours at the edge", _COLOUR_NOTE, columns, colour_rows))
    return tables


_MATTE_NOTE = (
    "Means over each set; the number of pictures in brackets. Gradient error in thousands. Plain is scaled "
    "up by Lanczos; refined is what the service answers."
)
_QUANTIZATION_NOTE = "Mean absolute difference of the 8-bit network's mask to the float32 network's, 0..1."
_COLOUR_NOTE = (
    "Composites of known foregrounds over the set's next picture; mean absolute error of 255. With the true "
    "matte: at its partial pixels. With the service's own: at its partial pixels within 3 pixels of the true "
    "soft edge, weighted by alpha, where the network finds the object (IoU at least 0.7)."
)


def service_matte(data: bytes, network: OnnxNetwork) -> Bytes:
    """The matte the service answers for these bytes: uint8, (height, width)."""
    plan = pipeline.plan(data, Mode.FOREGROUND_MATTING)
    cutout = pipeline.cut_out(data, plan, network, Style())
    return np.concatenate([cutout.rows(top) for top in cutout.strip_tops])


def _compare(pictures: list[Sample], networks: Networks) -> tuple[list[list[str]], float]:
    """A row of scores for each way to make a matte, and the mean difference of the networks' masks."""
    found: dict[str, list[Scores]] = {"float32, plain": [], "8-bit, plain": [], "8-bit, refined": []}
    differences = []
    for picture in pictures:
        small = _network_input(picture.rgb, networks.shipped.side)
        exact = networks.reference.mask(small)
        coarse = networks.shipped.mask(small)
        differences.append(float(np.abs(exact - coarse.astype(np.float32) / 255).mean()))
        mattes = {
            "float32, plain": _scaled(np.rint(exact * 255).astype(np.uint8), picture.rgb.size),
            "8-bit, plain": _scaled(coarse, picture.rgb.size),
            "8-bit, refined": service_matte(picture.data, networks.shipped),
        }
        for way, matte in mattes.items():
            found[way].append(score(matte, picture.truth))
    return [[way, *_cells(mean_scores(scores))] for way, scores in found.items()], float(np.mean(differences))


def _cells(scores: Scores) -> list[str]:
    fractions = f"{scores.mae:.4f}", f"{scores.mse:.4f}"
    return [*fractions, f"{scores.gradient:.2f}", f"{scores.iou:.4f}", f"{scores.boundary_f:.4f}"]


def _network_input(rgb: Image.Image, side: int) -> Bytes:
    return np.asarray(rgb.resize((side, side), Resampling.LANCZOS))


def _scaled(mask: Bytes, size: tuple[int, int]) -> Bytes:
    return np.asarray(Image.fromarray(mask).resize(size, Resampling.LANCZOS))


def _compare_colours(pictures: list[Sample], network: OnnxNetwork) -> list[list[str]]:
    """A row for the true mattes and one for the service's own; none for a set of hard-edged masks."""
    soft = [picture for picture in pictures if picture.is_soft]
    if len(soft) < 2:
        return []
    errors: dict[str, list[ColourErrors]] = {"true": [], "own": []}
    for picture, other in zip(soft, soft[1:] + soft[:1], strict=True):
        made = composite(np.asarray(picture.rgb), picture.truth, other.rgb)
        errors["true"].append(errors_with_true_matte(made))
        matte = _own_matte(made.rgb, network)
        if score(matte.rows(0, matte.height), made.alpha).iou >= _FOUND_IOU:
            errors["own"].append(errors_with_own_matte(made, matte))
    return [[matte, *_error_cells(found)] for matte, found in errors.items() if found]


def _own_matte(rgb: Bytes, network: OnnxNetwork) -> Matte:
    height, width = rgb.shape[:2]
    guide = Image.fromarray(rgb).resize(guide_size(width, height), Resampling.BICUBIC)
    small = guide.resize((network.side, network.side), Resampling.BICUBIC)
    return refine(network.mask(np.asarray(small)), Guide.of(np.asarray(guide)), width, height)


def _error_cells(errors: list[ColourErrors]) -> list[str]:
    source = float(np.mean([error.source for error in errors]))
    estimated = float(np.mean([error.estimated for error in errors]))
    return [str(len(errors)), f"{source:.2f}", f"{estimated:.2f}", f"**{estimated / source:.2f}**"]


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
