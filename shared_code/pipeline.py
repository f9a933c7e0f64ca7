"""From the bytes of a picture to the rows of its cut-out: the whole story, each step in a module of its own.

bytes ── picture ───────> Plan          what comes out, and the memory it takes; nothing is decoded yet
Plan  ── picture ───────> Picture       decoded, read in upright strips of sRGB
      ── second_look ───> Look          the mask, uint8 (side, side): what the network sees, once or twice
      ── refine ────────> Matte         the mask fitted to the picture's own edges
      ── edge_colour ───> EdgeColours   the foreground's own colour where the matte is partial
Cutout.rows(top) ───────> uint8         colours + matte, composed, for the encoder; any order, any thread
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from shared_code.encode.compose import colour_words, combine_alpha, cutout_rows
from shared_code.encode.encoder import Pixels
from shared_code.matte import edge_colour
from shared_code.matte.edge_colour import EdgeColours
from shared_code.matte.refine import Guide, Matte, guide_size, refine
from shared_code.matte.second_look import MattingNetwork, look
from shared_code.modes import MODES, Mode
from shared_code.picture.decoding import Picture, decode, decode_scale
from shared_code.picture.header import Source, open_source
from shared_code.progress import Progress, StageName
from shared_code.settings import EdgeColour

STRIP_BYTES = 2 << 20
"""Of pixels, about what one thread makes at a time."""
_WORK_BYTES = 48 << 20
"""Preview, mask, matte and the strips under way, beside the decoded picture."""
_UNDER_ALPHA = (128, 128, 128)
"""What the network sees behind transparent pixels."""


@dataclass(frozen=True)
class Style:
    """What the operator chooses of a cut-out's looks: see SEGMENT_EDGE_COLOUR in docs/settings.md."""

    edge_colour: EdgeColour = "foreground"


@dataclass(frozen=True)
class Plan:
    """What will be made of a picture, decided on its header.

    `source` owns the bytes that were checked. `width` and `height` are the output's; the picture is decoded
    at 1/`scale` and all of it takes about `peak_bytes` of memory.
    """

    source: Source
    mode: Mode
    width: int
    height: int
    scale: int
    peak_bytes: int


@dataclass(frozen=True)
class Cutout:
    """A picture with its matte, ready to be read strip by strip; nothing in it can fail any more."""

    width: int
    height: int
    pixels: Pixels
    _picture: Picture
    _matte: Matte
    _edge_colours: EdgeColours | None

    @property
    def strip_tops(self) -> range:
        """The first row of each strip. The more the picture is scaled down, the fewer rows a strip has."""
        rows = max(1, STRIP_BYTES // (self.width * self.pixels.value))
        rows = rows * self.height // max(self.height, self._picture.height)
        return range(0, self.height, max(1, rows))

    def rows(self, top: int) -> NDArray[np.uint8]:
        """The strip that starts at row `top`: uint8 (rows, width) gray, or (rows, width * 4) RGBA."""
        bottom = min(self.height, top + self.strip_tops.step)
        picture = self._picture
        if self.pixels is Pixels.GRAY and not picture.has_alpha:
            return self._matte.rows(top, bottom)
        strip = picture.rows(top, bottom, self.width, self.height)
        matte = self._matte.rows(top, bottom)
        alpha = combine_alpha(matte, np.asarray(strip.getchannel("A"))) if picture.has_alpha else matte
        if self.pixels is Pixels.GRAY:
            return alpha
        colours = colour_words(strip)
        if self._edge_colours is not None:
            positions, found = self._edge_colours.foreground(top, colours, matte)
            colours.ravel()[positions] = found
        return cutout_rows(colours, alpha)


def plan(data: bytes, mode: Mode) -> Plan:
    """Check the picture's header and decide what to make of it.

    Raises ImageSizeNotAllowed, ImageFormatInvalid or ImageDimensionNotAllowed.
    """
    source = open_source(data)
    width, height = source.width, source.height
    wanted = guide_size(width, height)
    product = MODES[mode]
    if product.max_pixels is not None:
        width, height = _at_most(width, height, product.max_pixels)
    if product.pixels is Pixels.RGBA:
        wanted = width, height
    scale = decode_scale(source, *wanted)
    decoded = source.width * source.height / scale**2
    peak_bytes = int(source.fixed_bytes + source.bytes_per_pixel * decoded) + _WORK_BYTES
    return Plan(source, mode, width, height, scale, peak_bytes)


def cut_out(plan: Plan, network: MattingNetwork, style: Style, progress: Progress | None = None) -> Cutout:
    """Decode the picture and find its matte; what the network found is in the progress then.

    Raises ImageFormatInvalid, ImageTooLargeForInstance, or Abandoned when `progress` is.
    """
    progress = progress or Progress()
    scale = preview_scale(plan.source, network.side)

    def decoded() -> Picture:
        with progress.stage(StageName.DECODE):
            return decode(plan.source, plan.scale)

    # The network needs a small picture only: while it computes, the whole is decoded.
    with ThreadPoolExecutor(2, "beside") as beside:
        whole = beside.submit(decoded)
        larger = whole.result() if scale <= plan.scale else None
        with progress.stage(StageName.PREVIEW):
            larger = larger or decode(plan.source, scale)
            preview = larger.averaged(*preview_size(plan.source, network.side))
        guided = beside.submit(_guide, preview)
        with progress.stage(StageName.NETWORK):
            seen = look(network, partial(_seen_at, preview))
            progress.findings = replace(
                progress.findings, uncertainty=seen.uncertainty, second_look=seen.looks > 1
            )
        guide = guided.result()
        with progress.stage(StageName.MATTE):
            matte = refine(seen.mask, guide, plan.width, plan.height)
        picture = whole.result()
    pixels = MODES[plan.mode].pixels
    if pixels is Pixels.GRAY:
        return Cutout(plan.width, plan.height, pixels, picture, matte, None)
    with progress.stage(StageName.COLOURS):
        edges = edge_colour.estimate(guide, matte) if style.edge_colour == "foreground" else None
    return Cutout(plan.width, plan.height, pixels, picture, matte, edges)


def preview_size(source: Source, side: int) -> tuple[int, int]:
    """The width and height that network and guide need at least."""
    columns, rows = guide_size(source.width, source.height)
    return max(columns, side), max(rows, side)


def preview_scale(source: Source, side: int) -> int:
    """What the picture can be decoded at for them; 1 if decoding takes memory of its own."""
    return 1 if source.survey.decoder_bytes else decode_scale(source, *preview_size(source, side))


def _seen_at(picture: Picture, side: int) -> NDArray[np.uint8]:
    """What the network sees: uint8 RGB (side, side, 3)."""
    # Lanczos, as the network's authors and peers feed it: others move its masks on hard pictures.
    return np.asarray(_opaque(picture.thumbnail(side, side, Resampling.LANCZOS)))


def _guide(picture: Picture) -> Guide:
    small = picture.thumbnail(*guide_size(picture.width, picture.height), Resampling.BICUBIC)
    return Guide.of(np.asarray(_opaque(small)))


def _at_most(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size scaled down, aspect ratio kept, to at most that many pixels."""
    if width * height <= pixels:
        return width, height
    factor = (pixels / (width * height)) ** 0.5
    return max(1, int(width * factor)), max(1, int(height * factor))


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    behind = Image.new("RGBA", image.size, (*_UNDER_ALPHA, 255))
    return Image.alpha_composite(behind, image).convert("RGB")
