import io
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_code import pipeline
from shared_code.encode.encoder import Pixels
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFault,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    SegmentError,
)
from shared_code.limits import MAX_CUTOUT_PIXELS
from shared_code.modes import MODES, Mode
from shared_code.pipeline import STRIP_BYTES, Cutout, Style
from shared_code.progress import Progress
from shared_code.room.picture import Header
from tests.shared_code.matte.networks import FlatNetwork
from tests.shared_code.picture.samples import png, saved, turned
from tests.support.hosts import PROJECT
from tests.support.photos import encoded, photo
from tests.support.rooms import cut_out, plan

pytestmark = pytest.mark.slow

REMOVAL, MATTING = Mode.BACKGROUND_REMOVAL, Mode.FOREGROUND_MATTING
PLAIN = Style(edge_colour="source")


@pytest.mark.parametrize(
    ("width", "height", "mode", "out_width", "out_height"),
    [
        (50, 50, REMOVAL, 50, 50),
        (4000, 4000, REMOVAL, 4000, 4000),
        (16_000, 1000, REMOVAL, 16_000, 1000),
        (4001, 4000, REMOVAL, 4000, 3999),
        (16_000, 16_000, REMOVAL, 4000, 4000),
        (16_000, 8000, REMOVAL, 5656, 2828),
        (1001, 16_000, REMOVAL, 1000, 15_992),
        (50, 50, MATTING, 50, 50),
        (16_000, 16_000, MATTING, 16_000, 16_000),
        (1001, 16_000, MATTING, 1001, 16_000),
    ],
)
def test_size_of_the_answer(width: int, height: int, mode: Mode, out_width: int, out_height: int) -> None:
    planned = plan(png(width, height), mode)
    assert (planned.width, planned.height) == (out_width, out_height)
    assert mode is MATTING or planned.width * planned.height <= MAX_CUTOUT_PIXELS


@pytest.mark.parametrize(
    ("form", "size", "mode", "scale"),
    [
        ("JPEG", (2000, 1500), REMOVAL, 1),
        ("JPEG", (2000, 1500), MATTING, 2),
        ("JPEG", (2600, 1900), MATTING, 4),
        ("JPEG", (6000, 4000), MATTING, 8),
        ("JPEG", (8000, 8000), REMOVAL, 2),
        ("JPEG", (16_000, 500), MATTING, 8),
        ("PNG", (2600, 1900), MATTING, 1),
    ],
)
def test_a_jpeg_is_decoded_no_larger_than_needed(
    form: str, size: tuple[int, int], mode: Mode, scale: int
) -> None:
    planned = plan(saved(Image.new("L", size), form), mode)
    assert planned.scale == scale
    decoded = size[0] * size[1] / scale**2
    assert planned.peak_bytes >= decoded
    assert planned.peak_bytes <= 5 * decoded + (64 << 20)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ImageSizeNotAllowed),
        (b"text", ImageFormatInvalid),
        (png(49, 50), ImageDimensionNotAllowed),
        (png(50, 16_001), ImageDimensionNotAllowed),
    ],
)
def test_plan_refuses(data: bytes, error: type[SegmentError]) -> None:
    for mode in Mode:
        with pytest.raises(error):
            plan(data, mode)


def test_cut_out_refuses_what_is_no_picture() -> None:
    data = encoded("PNG", 200, 150)[:-100]
    for mode in Mode:
        with pytest.raises(ImageFormatInvalid):
            cut_out(data, mode, FlatNetwork())


def cut(data: bytes, mode: Mode, network: FlatNetwork | None = None, style: Style = PLAIN) -> Cutout:
    return cut_out(data, mode, network or FlatNetwork(), style)


def image_of(cutout: Cutout) -> Image.Image:
    rows = np.concatenate([cutout.rows(top) for top in cutout.strip_tops])
    if cutout.pixels is Pixels.GRAY:
        return Image.fromarray(rows)
    return Image.fromarray(rows.reshape(cutout.height, cutout.width, 4))


def alpha_photo() -> Image.Image:
    """512 x 512, of which the right half is transparent."""
    image = photo().convert("RGBA")
    image.paste((0, 0, 0, 0), (256, 0, 512, 512))
    return image


SIZES = [(50, 50), (51, 333), (801, 599)]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_background_removal(form: str, width: int, height: int) -> None:
    data = encoded(form, width, height)
    cutout = image_of(cut(data, REMOVAL))
    assert (cutout.mode, cutout.size) == ("RGBA", (width, height))
    pixels = np.asarray(cutout)
    with Image.open(io.BytesIO(data)) as image:
        source = np.asarray(image.convert("RGB"))
    opaque, clear = pixels[..., 3] == 255, pixels[..., 3] == 0
    assert opaque.mean() > 0.1
    assert clear.mean() > 0.4
    np.testing.assert_array_equal(pixels[opaque][:, :3], source[opaque])
    assert pixels[clear].max() == 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_foreground_matting(width: int, height: int) -> None:
    data = encoded("JPEG", width, height)
    matte = image_of(cut(data, MATTING))
    assert (matte.mode, matte.size) == ("L", (width, height))
    alpha = np.asarray(matte)
    cutout = np.asarray(image_of(cut(data, REMOVAL)).getchannel("A"))
    # A gray strip has other rows than an RGBA one, and rows are the same in every strip but for rounding.
    np.testing.assert_allclose(alpha.astype(int), cutout.astype(int), atol=1)


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (encoded("JPEG", 801, 599), REMOVAL),
        (encoded("JPEG", 801, 599), MATTING),
        (encoded("JPEG", 2600, 1900), MATTING),
        (encoded("JPEG", 4600, 3600), REMOVAL),
        (turned(photo().resize((800, 600)), "JPEG", 6), REMOVAL),
        (saved(alpha_photo(), "PNG"), REMOVAL),
        (saved(alpha_photo(), "PNG"), MATTING),
    ],
    ids=["cut-out", "matte", "scaled matte", "scaled cut-out", "turned", "transparent", "transparent matte"],
)
def test_a_crop_has_the_pixels_of_the_whole(data: bytes, mode: Mode) -> None:
    progress = Progress()
    network = FlatNetwork(left=0.3, top=0.1, right=0.6, bottom=0.4)
    whole = image_of(cut_out(data, mode, network, PLAIN))
    part = cut_out(data, mode, network, PLAIN, progress, crop=True)
    box, found = part.box, image_of(part)
    expected = whole.crop((box.left, box.top, box.right, box.bottom))
    assert found.size == expected.size != whole.size
    # Strips begin at other rows, and rows are the same in every strip but for rounding.
    differences = np.abs(np.asarray(found, np.int16) - np.asarray(expected))
    if mode is REMOVAL:  # where alpha is 1 in one of them and 0 in the other, so are all colours
        differences[np.asarray(found)[..., 3] <= 1, :3] = 0
    assert differences.max() <= 2
    outside = np.asarray(whole.getchannel(whole.getbands()[-1])).copy()
    outside[box.top : box.bottom, box.left : box.right] = 0
    assert not outside.any()
    of_picture = progress.findings.box
    assert of_picture is not None
    across, down = part.plan.header.width / whole.width, part.plan.header.height / whole.height
    assert of_picture.left == pytest.approx(box.left * across, abs=1)
    assert of_picture.right == pytest.approx(box.right * across, abs=1)
    assert of_picture.top == pytest.approx(box.top * down, abs=1)
    assert of_picture.bottom == pytest.approx(box.bottom * down, abs=1)


def test_a_crop_leaves_out_what_the_picture_itself_hides() -> None:
    network = FlatNetwork(left=0.1, top=0.1, right=0.9, bottom=0.9)
    part = cut_out(saved(alpha_photo(), "PNG"), REMOVAL, network, PLAIN, crop=True)
    assert part.box.right < 320


@pytest.mark.parametrize(("width", "height"), [(2600, 1900), (2603, 1901)])
@pytest.mark.parametrize("mode", Mode)
def test_matte_of_a_scaled_decode_is_the_matte_of_the_whole(mode: Mode, width: int, height: int) -> None:
    """A JPEG is decoded at a quarter for its matte: edges stay where they are, colours are the whole's."""
    data = encoded("JPEG", width, height)
    found = image_of(cut(data, mode))
    with Image.open(io.BytesIO(data)) as image:
        whole = image_of(cut(saved(image, "BMP"), mode))
    matte, expected = (np.asarray(each.getchannel(each.getbands()[-1]), np.int16) for each in (found, whole))
    assert matte.shape == (height, width)
    assert np.abs(matte - expected).mean() < 1
    if mode is REMOVAL:
        both = (matte > 0) & (expected > 0)
        assert both.mean() > 0.2
        assert np.array_equal(np.asarray(found)[both, :3], np.asarray(whole)[both, :3])


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("size", [(300, 200), (2600, 1900)])
def test_a_truncated_jpeg_is_refused_at_any_size(size: tuple[int, int], mode: Mode) -> None:
    data = encoded("JPEG", *size)
    with pytest.raises(ImageFormatInvalid) as raised:
        cut(data[: len(data) * 2 // 3], mode)
    assert raised.value.fault is ImageFault.TRUNCATED


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", Mode)
def test_the_foreground_is_where_the_network_saw_it(mode: Mode, orientation: int) -> None:
    """Foreground in the upper left part of the upright picture, which is red there and blue elsewhere."""
    upright = Image.new("RGB", (300, 200) if orientation < 5 else (200, 300), "blue")
    upright.paste("red", (0, 0, upright.width // 2, upright.height // 4))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    network = FlatNetwork(left=0, top=0, right=0.5, bottom=0.25)
    cutout = image_of(cut(turned(stored, "PNG", orientation), mode, network))
    assert cutout.size == upright.size
    (seen,) = network.seen
    assert seen.dtype == np.uint8
    assert seen.shape == (64, 64, 3)
    assert seen[4, 4].tolist() == [255, 0, 0]
    assert seen[40, 40].tolist() == [0, 0, 255]
    alpha = np.asarray(cutout.getchannel("A") if mode is REMOVAL else cutout)
    red = np.asarray(upright)[..., 0] == 255
    assert alpha[red].mean() > 230
    assert alpha[~red].mean() < 8


def half_clear(mode: str = "RGBA") -> Image.Image:
    """Alpha 0 in the left half and 200 in the right one."""
    image = photo().resize((240, 160)).convert("RGBA")
    alpha = Image.new("L", image.size, 200)
    alpha.paste(0, (0, 0, 120, 160))
    image.putalpha(alpha)
    return image.convert(mode)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("pixels", ["RGBA", "LA"])
def test_own_alpha_multiplies_into_the_matte(mode: Mode, pixels: str) -> None:
    network = FlatNetwork(left=0, top=0, right=1, bottom=1)
    cutout = image_of(cut(saved(half_clear(pixels), "PNG"), mode, network))
    alpha = np.asarray(cutout.getchannel("A") if mode is REMOVAL else cutout)
    assert alpha[:, :120].max() == 0
    assert set(alpha[:, 120:].ravel()) == {200}
    assert network.seen[0][10, 5].tolist() == [128, 128, 128]


class UndecidedNetwork(FlatNetwork):
    """Is half sure of what it takes for background at first, and sure at its second side."""

    def mask(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.uint8]:
        mask = super().mask(rgb, progress)
        return mask if len(rgb) == self.second_side else np.maximum(mask, 64)


class NearlySureNetwork(FlatNetwork):
    """Leaves a little open of what it takes for foreground."""

    def mask(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.uint8]:
        return np.minimum(super().mask(rgb, progress), 246)


@pytest.mark.parametrize(
    ("network", "sides", "sure"),
    [
        (FlatNetwork(), [64], True),
        (UndecidedNetwork(), [64], False),
        (FlatNetwork(second_side=48), [64], True),
        (NearlySureNetwork(0, 0, 1, 1, second_side=48), [64], True),
        (NearlySureNetwork(second_side=48), [64, 64], True),
        (UndecidedNetwork(second_side=48), [64, 48, 64], False),
    ],
    ids=["one side", "one side, in doubt", "sure", "fills the picture", "a box", "in doubt, then a box"],
)
def test_progress_tells_how_often_the_network_looked(
    network: FlatNetwork, sides: list[int], sure: bool
) -> None:
    progress = Progress()
    cut_out(encoded("PNG", 200, 150), MATTING, network, progress=progress)
    assert [len(seen) for seen in network.seen] == sides
    assert progress.findings.second_look is (len(sides) > 1)
    assert progress.findings.uncertainty is not None
    assert (progress.findings.uncertainty < 0.1) is sure


@pytest.mark.parametrize("orientation", [1, 3])
def test_the_box_is_shown_as_it_is_in_the_picture(orientation: int) -> None:
    across, down = np.meshgrid(np.linspace(0, 250, 400), np.linspace(0, 250, 300))
    ramps = Image.fromarray(np.stack([across, down, 0 * down], -1).astype(np.uint8))
    network = NearlySureNetwork(0.1, 0.4, 0.3, 0.8, second_side=48)
    stored = ramps if orientation == 1 else ramps.transpose(Image.Transpose.ROTATE_180)
    cut_out(turned(stored, "PNG", orientation), MATTING, network)
    _, part = network.seen
    # The box with a tenth of its sides around it: 0.08 to 0.32 across, 0.36 to 0.84 down.
    for column, shade in ((0, 0.08), (-1, 0.32)):
        assert part[32, column, 0] == pytest.approx(250 * shade, abs=4)
    for row, shade in ((0, 0.36), (-1, 0.84)):
        assert part[row, 32, 1] == pytest.approx(250 * shade, abs=4)


@pytest.mark.parametrize("cpu_times", [1, 5])
def test_the_cpu_time_of_a_picture_is_the_documented_one(cpu_times: float) -> None:
    """As "The picture" in docs/api.md has it."""
    header = Header(4000, 3000, False, False, 0, 4.0, cpu_times)
    planned = pipeline.plan(header, REMOVAL)
    work = pipeline.work(planned, FlatNetwork(), 5_000_000)
    memory_s = 4 * planned.peak_bytes / 2**30
    assert work.cpu_s == pytest.approx(1 + cpu_times * (0.04 * 12 + 0.03 * 5) + memory_s)


def test_strips_are_made_in_any_order() -> None:
    cutout = cut(encoded("PNG", 2000, 1400), REMOVAL)
    tops = list(cutout.strip_tops)
    assert len(tops) > 4
    random.Random(1).shuffle(tops)
    shuffled = {top: cutout.rows(top) for top in tops}
    for top in cutout.strip_tops:
        np.testing.assert_array_equal(shuffled[top], cutout.rows(top))


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("width", [50, 3000, 16_000])
def test_a_strip_is_as_large_as_is_good_for_a_thread(mode: Mode, width: int) -> None:
    cutout = cut(encoded("PNG", width, 400), mode)
    row_bytes = width * cutout.pixels.value
    rows = cutout.strip_tops.step
    assert rows * row_bytes <= STRIP_BYTES < (rows + 1) * row_bytes


def test_strips_read_no_more_rows_where_the_picture_is_scaled_down(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded("PNG", 2000, 1000)
    rows = cut(data, REMOVAL).strip_tops.step
    smaller = replace(MODES[REMOVAL], max_pixels=125_000)
    monkeypatch.setattr("shared_code.pipeline.MODES", {REMOVAL: smaller})
    scaled = cut(data, REMOVAL)
    assert (scaled.width, scaled.height) == (500, 250)
    assert scaled.strip_tops.step == rows


def test_a_large_cut_out_is_scaled_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the same picture scaled by Pillow; the limit is lowered because 16 megapixels take long."""
    smaller = replace(MODES[REMOVAL], max_pixels=1_000_000)
    monkeypatch.setattr("shared_code.pipeline.MODES", {REMOVAL: smaller})
    ramp = Image.merge("RGB", [Image.linear_gradient("L").resize((1303, 827))] * 3)
    network = FlatNetwork(left=0, top=0, right=1, bottom=1)
    cutout = image_of(cut(saved(ramp, "JPEG", quality=95), REMOVAL, network))
    assert 950_000 < cutout.width * cutout.height <= 1_000_000
    assert cutout.width / cutout.height == pytest.approx(1303 / 827, rel=2e-3)
    expected = np.asarray(ramp.resize(cutout.size, Image.Resampling.BICUBIC), np.int16)
    pixels = np.asarray(cutout, np.int16)
    assert pixels[..., 3].min() == 255
    assert np.abs(pixels[..., :3] - expected).max() <= 3


MEASURE = """
import ctypes, sys
from pathlib import Path
from shared_code import pipeline
from shared_code.process import tune_process
from shared_code.encode.png import PngColour, deflate_strip
from shared_code.modes import Mode
from shared_code.pipeline import Style, make_cutout
from tests.shared_code.matte.networks import FlatNetwork
from tests.support.rooms import plan, rooms

def status(key):
    return int(Path("/proc/self/status").read_text().split(key + ":")[1].split()[0]) * 1024

def whole(path, mode):
    ctypes.CDLL(None).malloc_trim(0)  # else memory that is free, but still the process's, hides what is taken
    data = path.read_bytes()
    planned = plan(data, mode)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    before = status("VmRSS")
    network = FlatNetwork()
    picture = rooms().open(data, pipeline.work(planned, network, len(data)))
    cutout = make_cutout(planned, picture, network, Style())
    for top in cutout.strip_tops:
        deflate_strip(cutout.rows(top), PngColour.GRAY if mode is Mode.FOREGROUND_MATTING else PngColour.RGBA)
    cutout.close()
    return planned.peak_bytes, status("VmHWM") - before, picture.wait_until_gone().peak_bytes

tune_process()
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.small")):
    at_rest = whole(path, Mode.BACKGROUND_REMOVAL)[2]
for path in sorted(folder.glob("*.big")):
    for mode in Mode:
        planned, service, room = whole(path, mode)
        print(path.stem, mode, planned, service + room - at_rest, sep="\\t")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process from /proc")
def test_the_plan_covers_the_peak(tmp_path: Path) -> None:
    """Resident bytes of service and room while a cut-out of 3 megapixels is made, strips thrown away."""
    gradient = Image.merge("RGB", [Image.linear_gradient("L").resize((2000, 1500))] * 3)
    cases = {
        "baseline": saved(gradient, "JPEG"),
        "progressive": saved(gradient, "JPEG", progressive=True, subsampling=0),
        "rgba": saved(gradient.convert("RGBA"), "PNG", compress_level=1),
        "webp": saved(gradient, "WEBP", quality=10, method=0),
    }
    for name, data in cases.items():
        (tmp_path / f"{name}.big").write_bytes(data)
    for form in ("JPEG", "PNG", "WEBP"):
        (tmp_path / f"{form}.small").write_bytes(encoded(form, 64, 64))
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in measured.stdout.splitlines()]
    assert len(rows) == len(cases) * len(Mode)
    too_low = [row for row in rows if int(row[2]) < int(row[3])]
    too_high = [row for row in rows if int(row[2]) > 1.7 * int(row[3]) + (40 << 20)]
    assert not too_low
    assert not too_high
