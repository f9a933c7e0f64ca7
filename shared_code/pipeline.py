"""From the bytes of a picture to the rows of its cut-out: each step has a module of its own.

bytes ── room ──────────> Header        what the file says of itself, read where it can harm nothing
Header ─ plan ──────────> Plan          the output's size, and the memory needed; nothing is decoded yet
Plan  ── room ──────────> Picture       decoded in a process of its own, read in upright strips of sRGB
      ── mask ──────────> Mask          foreground or not, uint8 (side, side): what the network sees in it
      ── refine ────────> Matte         the mask fitted to the picture's own edges
      ── subject_box ───> PixelBox      what of it is answered, where only the subject is asked for
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
from shared_code.encode.compose import combine_alpha, cutout
from shared_code.encode.encoder import Pixels
from shared_code.matte import edge_colour
from shared_code.matte.box import Box
from shared_code.matte.edge_colour import EdgeColours
from shared_code.matte.mask import MattingNetwork, find_mask
from shared_code.matte.refine import Guide, Matte, guide_size, refine
from shared_code.matte.subject import PixelBox, subject_box
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
"""Strips that wait to be encoded. Those that are being made are not counted for a picture: each core makes
one at a time, of at most 18 MiB with its matte and colours, and a process takes that beside its budget."""
_MATTE_PIXELS_PER_BYTE = 8
_OPAQUE, _COLOUR = np.uint32(0xFF000000), np.uint32(0x00FFFFFF)
"""Of a pixel's word: its alpha, and its colour."""
_SLACK_BYTES = 64 << 20
"""Of address space, beside the plan, before the kernel refuses a room more."""
_CPU_S = 1.0
_CPU_S_PER_MEGAPIXEL = 0.04
_CPU_S_PER_MEGABYTE = 0.03
"""Several times what the slowest honest picture takes to be decoded and read, docs/performance.md."""
_CPU_S_PER_GIGABYTE = 4.0
"""Of planned memory: a virtual machine took that long to get memory from its host that it had never used."""


@dataclass(frozen=True)
class Style:
    """The operator's choices for cut-outs: see SEGMENT_EDGE_COLOUR in docs/settings.md."""

    edge_colour: EdgeColour = "foreground"


@dataclass(frozen=True)
class Plan:
    """The output of a picture, decided from its header.

    `width` and `height` are the output's, and `format` the one it is written in; the picture is decoded at
    1/`scale` and all of it takes about `peak_bytes` of memory, in all processes. `crop`: only the box of the
    subject is wanted of the output, which nobody knows yet.
    """

    header: Header
    mode: Mode
    width: int
    height: int
    scale: int
    peak_bytes: int
    format: AnswerFormat = PNG
    crop: bool = False

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

    `box` is the part of the planned output that exists. Rows fail only if the picture's process is ended in
    between.
    """

    plan: Plan
    box: PixelBox
    _picture: Picture
    _matte: Matte
    _edge_colours: EdgeColours | None

    @property
    def width(self) -> int:
        """In pixels."""
        return self.box.width

    @property
    def height(self) -> int:
        """In pixels."""
        return self.box.height

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
        rows = self._whole_rows(self.box.top + top, self.box.top + bottom)
        if self.width == self.plan.width:
            return rows
        size = self.pixels.value
        return np.ascontiguousarray(rows[:, self.box.left * size : self.box.right * size])

    def _whole_rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Rows `top` to `bottom` of the planned output, as above."""
        where = (top, bottom, self.plan.width, self.plan.height)
        if self.pixels is Pixels.GRAY:
            matte = self._matte.rows(top, bottom)
            return combine_alpha(matte, self._picture.alpha(*where)) if self._picture.has_alpha else matte
        rows = np.empty((bottom - top, self.plan.width), np.uint32)
        with self._picture.colours(*where) as words:
            self._picture.prepare(bottom, min(self.box.bottom, bottom + self.plan.strip_rows), *where[2:])
            for at, levels in self._matte.runs(top, bottom):
                level = levels if isinstance(levels, int) else None
                if level == 0:
                    rows[:, at] = 0
                elif level == 255 and not self._picture.has_alpha:
                    np.bitwise_or(words[:, at], _OPAQUE, out=rows[:, at])
                else:
                    rows[:, at] = self._part(top, at.start, words[:, at], levels)
        return rows.view(np.uint8)

    def _part(
        self, top: int, left: int, words: NDArray[np.uint32], levels: int | NDArray[np.uint8]
    ) -> NDArray[np.uint32]:
        """Pixels of the cut-out from its row `top` and column `left` on.

        words: as `Picture.colours` gives them. levels: the matte's, of the same shape, or one for all.
        """
        colours = words & _COLOUR
        matte = np.full(words.shape, levels, np.uint8) if isinstance(levels, int) else levels
        alpha = matte
        if self._picture.has_alpha:
            alpha = combine_alpha(matte, (words >> np.uint32(24)).astype(np.uint8))
        if self._edge_colours is not None:
            positions, found = self._edge_colours.foreground(top, left, colours, matte)
            colours.ravel()[positions] = found
        return cutout(colours, alpha)

    def close(self) -> None:
        """End the picture's process, as no row is needed any more; may be called again, from any thread."""
        self._picture.close()

    def when_closed(self, act: Callable[[], None]) -> None:
        """Call `act` when the picture's process has ended; at once if it has. On any thread."""
        self._picture.when_gone(act)


def plan(
    header: Header,
    mode: Mode,
    wanted: AnswerFormat = PNG,
    most_bytes: float = math.inf,
    *,
    crop: bool = False,
) -> Plan:
    """Plan the output of a picture; with `crop`, of the part that contains its subject.

    It becomes a PNG if the wanted format cannot hold it or would need more than `most_bytes` of memory. The
    size of the part is not known yet, so it counts as the whole.
    """
    planned = replace(_plan(header, mode), crop=crop)
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
    """Most memory of encoded strips and of those that wait for it, beside the decoded picture.

    Strips are encoded even if the caller does not read. A cut-out may not get smaller at all; a matte is
    smooth, unless the picture has alpha of its own.
    """
    pixels = width * height
    if MODES[mode].pixels is Pixels.GRAY:
        return pixels // _MATTE_PIXELS_PER_BYTE + _STRIPS_BYTES
    return 4 * pixels + _STRIPS_BYTES


def work(plan: Plan, network: MattingNetwork, file_bytes: int) -> Work:
    """The job for the picture's room, and its limits."""
    header = plan.header
    megapixels, megabytes = header.width * header.height / 1e6, file_bytes / 1e6
    preview = preview_size(header, network.side)
    sides = [network.side, network.second_side or 0, network.umpire.side if network.umpire else 0]
    columns, rows = guide_size(*_preview_of(plan, network.side))
    largest = max(4 * max(sides) ** 2, 4 * columns * rows, plan.strip_rows * plan.width * plan.pixels.value)
    return Work(
        header=header,
        scale=plan.scale,
        preview_scale=preview_scale(header, network.side),
        preview_width=preview[0],
        preview_height=preview[1],
        memory_bytes=plan.peak_bytes + _SLACK_BYTES,
        cpu_s=_CPU_S
        + header.cpu_times * (_CPU_S_PER_MEGAPIXEL * megapixels + _CPU_S_PER_MEGABYTE * megabytes)
        + _CPU_S_PER_GIGABYTE * plan.peak_bytes / 2**30,
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
    # The network needs only a small picture, and runs while the whole is decoded.
    with ThreadPoolExecutor(2, "beside") as beside, _closed_on_error(picture):
        whole = beside.submit(_decoded, plan, picture, progress)
        with progress.stage(StageName.PREVIEW):
            first = _seen_at(picture, network.side)
        guided = beside.submit(_guide, picture, guide_size(*_preview_of(plan, network.side)))
        with progress.stage(StageName.NETWORK):
            mask = find_mask(network, _Views(picture, guided, first), progress)
            progress.findings = replace(
                progress.findings, uncertainty=mask.uncertainty, second_look=mask.runs > 1
            )
        guide = guided.result()
        with progress.stage(StageName.MATTE):
            matte = refine(mask.levels, guide, plan.width, plan.height)
        whole.result()
    box = _box(plan, picture, matte, progress)
    if plan.pixels is Pixels.GRAY:
        if not picture.has_alpha:
            picture.close()  # nothing of it is wanted any more
        return Cutout(plan, box, picture, matte, None)
    with progress.stage(StageName.COLOURS):
        edges = edge_colour.estimate(guide, matte) if style.edge_colour == "foreground" else None
    return Cutout(plan, box, picture, matte, edges)


def _box(plan: Plan, picture: Picture, matte: Matte, progress: Progress) -> PixelBox:
    """The wanted part of the planned output.

    The subject's box is noted in `progress`, in pixels of the upright picture.
    """
    width, height, header = plan.width, plan.height, plan.header
    if not plan.crop:
        return PixelBox(0, 0, width, height)
    alpha = matte.alpha
    if picture.has_alpha:
        rows, columns = alpha.shape
        alpha = combine_alpha(alpha, picture.alpha(0, rows, columns, rows))
    box = subject_box(alpha, width, height)
    of_picture = box.scaled(header.width / width, header.height / height, header.width, header.height)
    progress.findings = replace(progress.findings, box=of_picture)
    return box


@contextmanager
def _closed_on_error(picture: Picture) -> Iterator[None]:
    """Ends the process, so that threads which wait for the picture return."""
    try:
        yield
    except BaseException:
        picture.close()
        raise


def _decoded(plan: Plan, picture: Picture, progress: Progress) -> None:
    """Wait until it is; the first strip is prepared while the network runs."""
    with progress.stage(StageName.DECODE):
        picture.decoded()
    if plan.pixels is Pixels.RGBA and not plan.crop:
        picture.prepare(0, min(plan.height, plan.strip_rows), plan.width, plan.height)


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
    """Inputs for the network: the whole preview, and parts of the guide.

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
    # Lanczos, as the network's authors use; other filters change its masks on hard pictures.
    return picture.thumbnail(side, side, Resampling.LANCZOS)


def _guide(picture: Picture, size: tuple[int, int]) -> Guide:
    return Guide.of(picture.thumbnail(*size, Resampling.BICUBIC))


def _at_most(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size scaled down, aspect ratio kept, to at most that many pixels."""
    if width * height <= pixels:
        return width, height
    factor = (pixels / (width * height)) ** 0.5
    return max(1, int(width * factor)), max(1, int(height * factor))
