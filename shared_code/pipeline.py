"""From the bytes of a picture to the rows of its cut-out: each step has a module of its own.

bytes ── room ──────────> Header        what the file says of itself, read where it can harm nothing
Header ─ plan ──────────> Plan          what comes out, and the memory it takes; nothing is decoded yet
Plan  ── room ──────────> Picture       decoded in a process of its own, read in upright strips of sRGB
      ── mask ──────────> Mask          foreground or not, uint8 (side, side): what the network sees in it
      ── refine ────────> Matte         the mask fitted to the picture's own edges
      ── edge_colour ───> EdgeColours   the foreground's own colour where the matte is partial
Cutout.rows(top) ───────> uint8         colours + matte, composed, for the encoder; any order, any thread
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from shared_code.encode.answer_formats import PNG, AnswerFormat
from shared_code.encode.compose import combine_alpha, cutout_rows
from shared_code.encode.encoder import Pixels
from shared_code.matte import edge_colour
from shared_code.matte.box import Box
from shared_code.matte.edge_colour import EdgeColours
from shared_code.matte.mask import MattingNetwork, find_mask
from shared_code.matte.refine import Guide, Matte, guide_size, refine
from shared_code.modes import MODES, Mode
from shared_code.picture.scale import averaged_size, decode_scale
from shared_code.progress import Progress, StageName
from shared_code.room.picture import Header, Picture, Work
from shared_code.settings import EdgeColour

STRIP_BYTES = 2 << 20
"""Of pixels, about what one thread makes at a time."""
_WORK_BYTES = 48 << 20
"""Preview, mask, matte and guide, beside the decoded picture; they are gone when strips are encoded."""
_STRIPS_BYTES = 8 << 20
_MATTE_PIXELS_PER_BYTE = 8
_SLACK_BYTES = 64 << 20
"""Of address space, beside the plan, before the kernel refuses a room more."""
_CPU_S = 1.0
_CPU_S_PER_MEGAPIXEL = 0.04
_CPU_S_PER_MEGABYTE = 0.03
"""Several times what the slowest honest picture takes to be decoded and read, docs/performance.md."""


@dataclass(frozen=True)
class Style:
    """What the operator chooses of a cut-out's looks: see SEGMENT_EDGE_COLOUR in docs/settings.md."""

    edge_colour: EdgeColour = "foreground"


@dataclass(frozen=True)
class Plan:
    """What will be made of a picture, decided on its header.

    `width` and `height` are the output's, and `format` the one it is written in; the picture is decoded at
    1/`scale` and all of it takes about `peak_bytes` of memory, in all processes.
    """

    header: Header
    mode: Mode
    width: int
    height: int
    scale: int
    peak_bytes: int
    format: AnswerFormat = PNG

    @property
    def pixels(self) -> Pixels:
        """What the rows of the output hold."""
        return MODES[self.mode].pixels

    @property
    def strip_rows(self) -> int:
        """Of a strip. The more the picture is scaled down, the fewer rows a strip has."""
        rows = max(1, STRIP_BYTES // (self.width * self.pixels.value))
        decoded_rows = math.ceil(self.header.height / self.scale)
        return max(1, rows * self.height // max(self.height, decoded_rows))


@dataclass(frozen=True)
class Cutout:
    """A picture with its matte, ready to be read strip by strip, and to be closed.

    Rows can only fail when the picture's process is ended in between.
    """

    plan: Plan
    _picture: Picture
    _matte: Matte
    _edge_colours: EdgeColours | None

    @property
    def width(self) -> int:
        """Of the output, in pixels."""
        return self.plan.width

    @property
    def height(self) -> int:
        """Of the output, in pixels."""
        return self.plan.height

    @property
    def pixels(self) -> Pixels:
        """What the rows hold."""
        return self.plan.pixels

    @property
    def strip_tops(self) -> range:
        """The first row of each strip."""
        return range(0, self.height, self.plan.strip_rows)

    def rows(self, top: int) -> NDArray[np.uint8]:
        """The strip that starts at row `top`: uint8 (rows, width) gray, or (rows, width * 4) RGBA."""
        bottom = min(self.height, top + self.plan.strip_rows)
        where = (top, bottom, self.width, self.height)
        if self.pixels is Pixels.GRAY:
            matte = self._matte.rows(top, bottom)
            return combine_alpha(matte, self._picture.alpha(*where)) if self._picture.has_alpha else matte
        colours, own_alpha = self._picture.colours(*where)
        matte = self._matte.rows(top, bottom)
        alpha = matte if own_alpha is None else combine_alpha(matte, own_alpha)
        if self._edge_colours is not None:
            positions, found = self._edge_colours.foreground(top, colours, matte)
            colours.ravel()[positions] = found
        return cutout_rows(colours, alpha)

    def close(self) -> None:
        """No row is wanted any more; may be called again, from any thread."""
        self._picture.close()

    def when_closed(self, act: Callable[[], None]) -> None:
        """Have `act` called when the picture's process is gone; at once if it is. On any thread."""
        self._picture.when_gone(act)


def plan(header: Header, mode: Mode, wanted: AnswerFormat = PNG, most_bytes: float = math.inf) -> Plan:
    """Decide what to make of a picture.

    It becomes a PNG, whatever is wanted, when the format does not take it or would take more than
    `most_bytes` of memory.
    """
    planned = _plan(header, mode)
    whole, width, height = wanted.whole, planned.width, planned.height
    if whole is None or not whole.takes(width, height):
        return planned
    peak_bytes = planned.peak_bytes + whole.peak_bytes(width, height, planned.pixels)
    return replace(planned, format=wanted, peak_bytes=peak_bytes) if peak_bytes <= most_bytes else planned


def _plan(header: Header, mode: Mode) -> Plan:
    width, height = header.width, header.height
    wanted = guide_size(width, height)
    product = MODES[mode]
    if product.max_pixels is not None:
        width, height = _at_most(width, height, product.max_pixels)
    if product.pixels is Pixels.RGBA:
        wanted = width, height
    scale = decode_scale(header, *wanted)
    decoded = header.width * header.height / scale**2
    decoded_bytes = int(header.fixed_bytes + header.bytes_per_pixel * decoded)
    beside_bytes = max(_WORK_BYTES, encoded_bytes(mode, width, height))
    return Plan(header, mode, width, height, scale, decoded_bytes + beside_bytes)


def encoded_bytes(mode: Mode, width: int, height: int) -> int:
    """What encoded strips and those under way take at most, beside the decoded picture.

    A reader who takes nothing does not stop them from being made. A cut-out may not shrink at all; a matte is
    smooth, unless the picture brings alpha of its own.
    """
    pixels = width * height
    if MODES[mode].pixels is Pixels.GRAY:
        return pixels // _MATTE_PIXELS_PER_BYTE + _STRIPS_BYTES
    return 4 * pixels + _STRIPS_BYTES


def work(plan: Plan, network: MattingNetwork, file_bytes: int) -> Work:
    """What the picture's room is to do for it, and what it may take."""
    header = plan.header
    preview = preview_size(header, network.side)
    sides = [network.side, network.second_side or 0, network.umpire.side if network.umpire else 0]
    columns, rows = guide_size(*_preview_of(plan, network.side))
    largest = max(3 * max(sides) ** 2, 3 * columns * rows, plan.strip_rows * plan.width * plan.pixels.value)
    return Work(
        header=header,
        scale=plan.scale,
        preview_scale=preview_scale(header, network.side),
        preview_width=preview[0],
        preview_height=preview[1],
        memory_bytes=plan.peak_bytes + file_bytes + _SLACK_BYTES,
        cpu_s=_CPU_S
        + _CPU_S_PER_MEGAPIXEL * header.width * header.height / 1e6
        + _CPU_S_PER_MEGABYTE * file_bytes / 1e6,
        slot_bytes=-(-largest // 4096) * 4096,
    )


def make_cutout(
    plan: Plan, picture: Picture, network: MattingNetwork, style: Style, progress: Progress | None = None
) -> Cutout:
    """Find the matte of a picture that is being decoded, and note the network's findings in `progress`.

    The cut-out owns `picture` from now on.

    Raises ImageFormatInvalid, ImageTooLargeForInstance, or Abandoned when `progress` is; the picture's
    process has ended then.
    """
    try:
        return _make_cutout(plan, picture, network, style, progress or Progress())
    except BaseException:
        picture.close()
        picture.wait_until_gone()
        raise


def _make_cutout(
    plan: Plan, picture: Picture, network: MattingNetwork, style: Style, progress: Progress
) -> Cutout:
    # The network needs a small picture only: while it computes, the whole is decoded.
    with ThreadPoolExecutor(2, "beside") as beside, _closed_on_error(picture):
        whole = beside.submit(_decoded, picture, progress)
        with progress.stage(StageName.PREVIEW):
            first = _seen_at(picture, network.side)
        guided = beside.submit(_guide, picture, guide_size(*_preview_of(plan, network.side)))
        with progress.stage(StageName.NETWORK):
            mask = find_mask(network, _Views(picture, guided, first))
            progress.findings = replace(
                progress.findings, uncertainty=mask.uncertainty, second_look=mask.runs > 1
            )
        guide = guided.result()
        with progress.stage(StageName.MATTE):
            matte = refine(mask.levels, guide, plan.width, plan.height)
        whole.result()
    if plan.pixels is Pixels.GRAY:
        if not picture.has_alpha:
            picture.close()  # nothing of it is wanted any more
        return Cutout(plan, picture, matte, None)
    with progress.stage(StageName.COLOURS):
        edges = edge_colour.estimate(guide, matte) if style.edge_colour == "foreground" else None
    return Cutout(plan, picture, matte, edges)


@contextmanager
def _closed_on_error(picture: Picture) -> Iterator[None]:
    """So that threads which wait for the picture come back."""
    try:
        yield
    except BaseException:
        picture.close()
        raise


def _decoded(picture: Picture, progress: Progress) -> None:
    with progress.stage(StageName.DECODE):
        picture.decoded()


def preview_size(header: Header, side: int) -> tuple[int, int]:
    """The width and height that network and guide need at least."""
    columns, rows = guide_size(header.width, header.height)
    return max(columns, side), max(rows, side)


def preview_scale(header: Header, side: int) -> int:
    """What the picture can be decoded at for them; 1 if decoding takes memory of its own."""
    return 1 if header.holds_whole else decode_scale(header, *preview_size(header, side))


def _preview_of(plan: Plan, side: int) -> tuple[int, int]:
    """Width and height of the preview."""
    scale = max(plan.scale, preview_scale(plan.header, side))
    width, height = math.ceil(plan.header.width / scale), math.ceil(plan.header.height / scale)
    return averaged_size(width, height, *preview_size(plan.header, side))


@dataclass(frozen=True)
class _Views:
    """What the network is shown of a picture: all of the preview, and parts of the guide.

    The guide is as sharp as the matte can be; more pixels of a part gained nothing.
    """

    picture: Picture
    guided: Future[Guide]
    first: NDArray[np.uint8]
    """All of it at the side that is asked for first."""

    def whole(self, side: int) -> NDArray[np.uint8]:
        """All of it: uint8 RGB (side, side, 3)."""
        return self.first if side == len(self.first) else _seen_at(self.picture, side)

    def part(self, box: Box, side: int) -> NDArray[np.uint8]:
        """What is in the box: uint8 RGB (side, side, 3)."""
        return self.guided.result().part(box, side)


def _seen_at(picture: Picture, side: int) -> NDArray[np.uint8]:
    """What the network sees: uint8 RGB (side, side, 3)."""
    # Lanczos, as the network's authors and peers feed it: others move its masks on hard pictures.
    return picture.thumbnail(side, side, Resampling.LANCZOS)


def _guide(picture: Picture, size: tuple[int, int]) -> Guide:
    return Guide.of(picture.thumbnail(*size, Resampling.BICUBIC))


def _at_most(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size scaled down, aspect ratio kept, to at most that many pixels."""
    if width * height <= pixels:
        return width, height
    factor = (pixels / (width * height)) ** 0.5
    return max(1, int(width * factor)), max(1, int(height * factor))
