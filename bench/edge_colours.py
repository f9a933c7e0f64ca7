"""Colours at the edge of soft mattes against the truth, as rows of a table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from bench.composites import ColourErrors, composite, errors_with_own_matte, errors_with_true_matte
from bench.metrics import score
from bench.samples import Sample
from shared_code.matte.box import Box
from shared_code.matte.mask import find_mask
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.refine import Guide, Matte, guide_size, refine

_FOUND_IOU = 0.7


def edge_colour_rows(pictures: list[Sample], network: OnnxNetwork) -> list[list[str]]:
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
    return [[matte, *_cells(found)] for matte, found in errors.items() if found]


@dataclass(frozen=True)
class _Views:
    """Of a picture without alpha that is all in memory."""

    image: Image.Image
    guide: Guide

    def whole(self, side: int) -> NDArray[np.uint8]:
        """As the service sees it."""
        return np.asarray(self.image.resize((side, side), Resampling.LANCZOS))

    def part(self, box: Box, side: int) -> NDArray[np.uint8]:
        """As the service sees it."""
        return self.guide.part(box, side)


def _own_matte(rgb: NDArray[np.uint8], network: OnnxNetwork) -> Matte:
    height, width = rgb.shape[:2]
    image = Image.fromarray(rgb)
    guide = Guide.of(np.asarray(image.resize(guide_size(width, height), Resampling.BICUBIC)))
    return refine(find_mask(network, _Views(image, guide)).levels, guide, width, height)


def _cells(errors: list[ColourErrors]) -> list[str]:
    source = float(np.mean([error.source for error in errors]))
    estimated = float(np.mean([error.estimated for error in errors]))
    return [str(len(errors)), f"{source:.2f}", f"{estimated:.2f}", f"**{estimated / source:.2f}**"]
