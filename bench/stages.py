"""Where the time goes: each step of the pipeline by itself, on one thread but for the network."""

import os
from collections.abc import Callable

import numpy as np
from PIL.Image import Resampling

from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from bench.timing import fastest
from models.manifest import load_manifest
from shared_code.model import OnnxNetwork, load_network
from shared_code.picture import decode
from shared_code.pipeline import Mode, Style, cut_out, plan
from shared_code.refine import guide_size, refine

_ROUNDS = 5


def run() -> list[Table]:
    """Milliseconds of each step at each size, and its share."""
    network = load_network(load_manifest().networks["u2net"], os.process_cpu_count() or 1)
    rows = []
    for name, size in MEGAPIXELS.items():
        taken = _measure(jpeg(*size), network)
        total = sum(taken.values())
        cells = [f"{ms:.1f} ({100 * ms / total:.0f} %)" for ms in taken.values()]
        rows.append([name, *cells, f"{total:.0f}"])
        columns = ("megapixels", *taken, "sum")
    note = (
        f"`backgroundRemoval`, milliseconds, fastest of {_ROUNDS}. The network uses all cores, "
        "every other step one; in the service the strips are made on all cores too."
    )
    return [Table("Stage by stage", note, columns, rows)]


def _measure(photo: bytes, network: OnnxNetwork) -> dict[str, float]:
    """The steps of `pipeline.cut_out` and of each strip, in order."""
    planned = plan(photo, Mode.BACKGROUND_REMOVAL)
    picture = decode(photo, planned.header, planned.scale)
    guide = picture.thumbnail(*guide_size(picture.width, picture.height), Resampling.BICUBIC)
    small = np.asarray(picture.thumbnail(network.side, network.side, Resampling.LANCZOS))
    mask = network.mask(small)
    cutout = cut_out(photo, planned, network, Style())
    tops = cutout.strip_tops
    bounds = [(top, min(cutout.height, top + tops.step)) for top in tops]
    taken = {
        "plan": _fastest(lambda: plan(photo, planned.mode)),
        "decode": _fastest(lambda: decode(photo, planned.header, planned.scale)),
        "network input": _fastest(lambda: picture.thumbnail(network.side, network.side, Resampling.LANCZOS)),
        "guide": _fastest(lambda: picture.thumbnail(guide.width, guide.height, Resampling.BICUBIC)),
        "network": _fastest(lambda: network.mask(small)),
        "refine": _fastest(lambda: refine(mask, np.asarray(guide), cutout.width, cutout.height)),
    }
    size = (cutout.width, cutout.height)
    taken["colours"] = _fastest(lambda: [picture.rows(*rows, *size) for rows in bounds])
    strips = _fastest(lambda: [cutout.strip(top) for top in tops])
    taken["matte, compose, encode"] = strips - taken["colours"]
    return taken


def _fastest(work: Callable[[], object]) -> float:
    return fastest(work, _ROUNDS) * 1000
