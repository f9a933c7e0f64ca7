"""Where the time goes: each step of the pipeline by itself, on one thread but for the network."""

import io
import os
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from bench.limits import deflate_seconds, memcpy_seconds, network_products, products_per_second
from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from bench.timing import fastest
from shared_code.encode.png import DeflatedStrip, PngColour, deflate_strip
from shared_code.matte import edge_colour
from shared_code.matte.built import read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import load_network
from shared_code.matte.refine import Guide, guide_size, refine
from shared_code.modes import Mode
from shared_code.picture.decoding import DecodedImage, decode
from shared_code.picture.header import open_source
from shared_code.pipeline import Cutout, preview_scale, preview_size
from tests.support.rooms import cut_out, header_of, plan

_ROUNDS = 5


def run() -> list[Table]:
    """Milliseconds of each step at each size, and its share."""
    network = load_network(read_catalogue(), "u2net", os.process_cpu_count() or 1)
    rows, measured = [], {}
    for name, size in MEGAPIXELS.items():
        taken = measured[name] = _measure(jpeg(*size), network)
        total = sum(taken.values())
        cells = [f"{ms:.1f} ({100 * ms / total:.0f} %)" for ms in taken.values()]
        rows.append([name, *cells, f"{total:.0f}"])
        columns = ("megapixels", *taken, "sum")
    note = (
        f"`backgroundRemoval`, milliseconds, fastest of {_ROUNDS}. The network uses all cores, "
        "every other step one; in the service the guide is computed beside the network's input, the whole "
        "picture is decoded while the network runs on a preview, and strips are encoded on all cores."
    )
    return [Table("Stage by stage", note, columns, rows), _distances(network, measured["12"])]


def _distances(network: OnnxNetwork, taken: dict[str, float]) -> Table:
    """How far the larger stages are from what the machine can do."""
    photo = jpeg(*MEGAPIXELS["12"])
    planned = plan(photo, Mode.BACKGROUND_REMOVAL)
    cutout = cut_out(photo, Mode.BACKGROUND_REMOVAL, network)
    filtered = [_inflated(_strip(cutout, top).data[8:-4]) for top in cutout.strip_tops]
    products = network_products(network.name)
    limits = {
        "network": (products / products_per_second() * 1000, f"{products / 1e9:.1f} billion 8-bit products"),
        "decode": (_fastest(lambda: Image.open(io.BytesIO(photo)).load()), "Pillow's decoder, nothing else"),
        "colours": (memcpy_seconds(4 * planned.width * planned.height) * 1000, "memcpy of the pixels"),
        "matte, compose, encode": (deflate_seconds(filtered) * 1000, "deflate of the same rows"),
    }
    rows = [
        [stage, f"{taken[stage]:.0f}", what, f"{limit:.0f}", f"**{taken[stage] / limit:.1f}**"]
        for stage, (limit, what) in limits.items()
    ]
    note = "12 megapixels, milliseconds; the network on all cores, the rest on one."
    return Table("How far from the limit", note, ("stage", "takes", "limit", "limit takes", "ratio"), rows)


def _strip(cutout: Cutout, top: int) -> DeflatedStrip:
    return deflate_strip(cutout.rows(top), PngColour.RGBA)


def _inflated(deflated: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.decompressobj(-15).decompress(deflated), np.uint8)


def _measure(photo: bytes, network: OnnxNetwork) -> dict[str, float]:
    """The steps of `pipeline.make_cutout` and of each strip, in order."""
    planned = plan(photo, Mode.BACKGROUND_REMOVAL)
    header, source = planned.header, open_source(photo)
    scale = max(planned.scale, preview_scale(header, network.side))
    whole = decode(source, planned.scale)

    def make_preview() -> DecodedImage:
        larger = decode(source, scale) if scale > planned.scale else whole
        return larger.averaged(*preview_size(header, network.side))

    picture = make_preview()

    def make_guide() -> Guide:
        size = guide_size(picture.width, picture.height)
        return Guide.of(np.asarray(picture.thumbnail(*size, Resampling.BICUBIC)))

    guide = make_guide()
    small = np.asarray(picture.thumbnail(network.side, network.side, Resampling.LANCZOS))
    mask = network.mask(small)
    cutout = cut_out(photo, planned.mode, network)
    tops = cutout.strip_tops
    bounds = [(top, min(cutout.height, top + tops.step)) for top in tops]
    taken = {
        "plan": _fastest(lambda: header_of(photo)),
        "preview": _fastest(make_preview),
        "decode": _fastest(lambda: decode(source, planned.scale)),
        "network input": _fastest(lambda: picture.thumbnail(network.side, network.side, Resampling.LANCZOS)),
        "guide": _fastest(make_guide),
        "network": _fastest(lambda: network.mask(small)),
        "refine": _fastest(lambda: refine(mask, guide, cutout.width, cutout.height)),
    }
    matte = refine(mask, guide, cutout.width, cutout.height)
    taken["edge colours"] = _fastest(lambda: edge_colour.estimate(guide, matte))
    size = (cutout.width, cutout.height)
    taken["colours"] = _fastest(lambda: [whole.rows(*rows, *size) for rows in bounds])
    strips = _fastest(lambda: [_strip(cutout, top) for top in tops])
    taken["matte, compose, encode"] = strips - taken["colours"]
    return taken


def _fastest(work: Callable[[], object]) -> float:
    return fastest(work, _ROUNDS) * 1000
