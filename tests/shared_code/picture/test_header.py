import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shared_code.errors import ImageDimensionNotAllowed, ImageFormatInvalid, ImageSizeNotAllowed, SegmentError
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.picture.header import Source, open_source
from shared_code.picture.icon import frame
from tests.shared_code.picture.samples import (
    icon,
    icon_bitmap,
    jpeg_in_three_scans,
    png,
    png_chunk,
    run_length_bitmap,
    saved,
    turned,
)
from tests.support.hosts import PROJECT
from tests.support.photos import encoded, photo

RGB = photo().resize((160, 120))


@pytest.mark.parametrize(
    ("data", "form", "scalable"),
    [
        pytest.param(saved(RGB, "JPEG"), "JPEG", True, id="JPEG"),
        pytest.param(saved(RGB, "MPO", save_all=True, append_images=[RGB]), "JPEG", True, id="MPO"),
        pytest.param(saved(RGB, "PNG"), "PNG", False, id="PNG"),
        pytest.param(
            saved(RGB, "PNG", save_all=True, append_images=[RGB.rotate(180)]), "PNG", False, id="APNG"
        ),
        pytest.param(saved(RGB, "GIF"), "GIF", False, id="GIF"),
        pytest.param(saved(RGB, "BMP"), "BMP", False, id="BMP"),
        pytest.param(saved(RGB, "WEBP"), "WEBP", False, id="WEBP"),
        pytest.param(saved(RGB, "WEBP", lossless=True), "WEBP", False, id="WEBP lossless"),
        pytest.param(saved(RGB, "TIFF"), "TIFF", False, id="TIFF"),
        pytest.param(saved(RGB, "TIFF", big_tiff=True), "TIFF", False, id="BigTIFF"),
        pytest.param(icon((160, 120, 32, icon_bitmap(RGB))), "ICO", False, id="ICO"),
        pytest.param(icon((160, 120, 32, saved(RGB, "PNG"))), "PNG", False, id="ICO around a PNG"),
    ],
)
def test_allowed_formats_are_told_by_content(data: bytes, form: str, scalable: bool) -> None:
    header = open_source(data)
    assert (header.format.name, header.width, header.height) == (form, 160, 120)
    assert (header.orientation, header.scalable) == (1, scalable)


PHOTOSHOP = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 120, 160, 8, 3) + bytes(12) + bytes(2 + 160 * 120 * 3)


@pytest.mark.parametrize(
    "data",
    [
        *(
            pytest.param(saved(RGB, form), id=form)
            for form in ("PPM", "TGA", "JPEG2000", "EPS", "PDF", "PCX", "SGI", "DDS", "ICNS")
        ),
        pytest.param(saved(RGB.convert("1"), "XBM"), id="XBM"),
        pytest.param(PHOTOSHOP, id="PSD"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"/>', id="SVG"),
        pytest.param(b"<!DOCTYPE html><title>404</title>", id="HTML"),
        pytest.param(b"a picture", id="text"),
        pytest.param(bytes(1), id="one zero"),
        pytest.param(bytes(10_000), id="zeros"),
        pytest.param(b"\xff\xd8\xff", id="start of a JPEG"),
        pytest.param(b"\xff\xd8\xff\xe0", id="start of a JPEG with its marker"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="start of a PNG"),
        pytest.param(b"GIF89a", id="start of a GIF"),
        pytest.param(b"BM", id="start of a BMP"),
        pytest.param(b"RIFF\x10\0\0\0WEBPVP8 ", id="start of a WEBP"),
        pytest.param(b"II*\0\x08\0\0\0", id="start of a TIFF"),
        pytest.param(b"\0\0\1\0", id="start of an ICO"),
        pytest.param(icon(), id="icon without frames"),
        pytest.param(icon((160, 120, 32, b"short")), id="icon with a cut frame"),
        pytest.param(icon((160, 120, 32, saved(RGB, "JPEG"))), id="icon around a JPEG"),
        pytest.param(b"\0\0\2\0" + saved(RGB, "ICO", sizes=[(64, 64)])[4:], id="cursor"),
    ],
)
def test_all_else_is_refused(data: bytes) -> None:
    with pytest.raises((ImageFormatInvalid, ImageDimensionNotAllowed)):
        open_source(data)


@pytest.mark.parametrize("data", [b"", bytes(MAX_IMAGE_BYTES + 1)], ids=["empty", "a byte too many"])
def test_size_of_the_file(data: bytes) -> None:
    with pytest.raises(ImageSizeNotAllowed):
        open_source(data)


def test_a_byte_has_a_size_and_no_format() -> None:
    with pytest.raises(ImageFormatInvalid):
        open_source(b"\xff")


def test_the_largest_file_passes() -> None:
    small = encoded("JPEG", 100, 100)
    assert open_source(small + bytes(MAX_IMAGE_BYTES - len(small))).width == 100


def gif_claim(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("L", (50, 50)), "GIF"))
    struct.pack_into("<HH", data, 6, width, height)
    struct.pack_into("<HH", data, data.index(b",\0\0\0\0") + 5, width, height)
    return bytes(data)


def bmp_claim(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("L", (50, 50)), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


def jpeg_claim(width: int, height: int) -> bytes:
    data = saved(Image.new("L", (50, 50)), "JPEG")
    frame = data.index(b"\xff\xc0") + 5
    return data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 :]


def icon_claim(width: int, height: int) -> bytes:
    bitmap = icon_bitmap(Image.new("RGB", (64, 64)))
    return icon((64, 64, 32, bitmap[:4] + struct.pack("<ii", width, 2 * height) + bitmap[12:]))


def icon_png_claim(width: int, height: int) -> bytes:
    return icon((64, 64, 32, png(width, height)))


CLAIMS = [png, gif_claim, bmp_claim, jpeg_claim, icon_claim, icon_png_claim]


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("size", [(50, 50), (50, 16_000), (16_000, 50), (16_000, 16_000)])
def test_sides_that_pass(claim: Callable[[int, int], bytes], size: tuple[int, int]) -> None:
    """No file holds the pixels it speaks of: only its header has been looked at."""
    header = open_source(claim(*size))
    assert (header.width, header.height) == size


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize(
    "size", [(49, 50), (50, 49), (16_001, 50), (50, 16_001), (1, 1), (30_000, 30_000), (65_535, 65_535)]
)
def test_sides_that_do_not(claim: Callable[[int, int], bytes], size: tuple[int, int]) -> None:
    """The last ones are decompression bombs, refused on the header like the others."""
    with pytest.raises(ImageDimensionNotAllowed):
        open_source(claim(*size))


@pytest.mark.parametrize(
    ("frames", "chosen"),
    [
        ([(64, 64, 32), (100, 100, 32), (80, 80, 32)], 1),
        ([(64, 64, 32), (256, 256, 32)], 1),
        ([(100, 100, 32), (100, 100, 8)], 0),
        ([(100, 100, 8), (100, 100, 32)], 1),
        ([(100, 100, 0), (100, 100, 32)], 1),
        ([(60, 200, 32), (200, 60, 32)], 0),
    ],
)
def test_the_frame_of_an_icon_is_the_largest_and_deepest(
    frames: list[tuple[int, int, int]], chosen: int
) -> None:
    pictures = [
        png(*size, colour_type=0, pixels=bytes([level]) * (size[0] * size[1]))
        for level, (*size, _) in enumerate(frames)
    ]
    data = icon(*((*entry, picture) for entry, picture in zip(frames, pictures, strict=True)))
    assert frame(data) == pictures[chosen]
    assert open_source(data).survey.content == pictures[chosen]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_of_the_upright_picture(form: str, orientation: int) -> None:
    header = open_source(turned(RGB, form, orientation))
    assert (header.width, header.height) == ((160, 120) if orientation < 5 else (120, 160))
    assert header.orientation == orientation


EXIF_6 = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def xmp_png() -> bytes:
    notes = PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    return saved(RGB, "PNG", pnginfo=notes)


@pytest.mark.parametrize(
    ("data", "orientation"),
    [
        pytest.param(png(160, 120, before=[png_chunk(b"eXIf", EXIF_6)]), 6, id="in front of the pixels"),
        pytest.param(png(160, 120, after=[png_chunk(b"eXIf", EXIF_6)]), 6, id="behind the pixels"),
        pytest.param(xmp_png(), 6, id="XMP"),
        pytest.param(png(160, 120, before=[png_chunk(b"eXIf", b"no EXIF")]), 1, id="broken"),
        pytest.param(png(160, 120, before=[png_chunk(b"eXIf", EXIF_6[:20])]), 1, id="cut"),
        pytest.param(turned(RGB, "JPEG", 0), 1, id="0"),
        pytest.param(turned(RGB, "JPEG", 9), 1, id="9"),
        pytest.param(saved(RGB, "JPEG", exif=b"Exif\0\0no EXIF"), 1, id="broken in a JPEG"),
    ],
)
def test_orientation_without_decoding(data: bytes, orientation: int) -> None:
    assert open_source(data).orientation == orientation


@pytest.mark.parametrize(
    ("data", "coefficient_bytes_per_pixel"),
    [
        (saved(RGB, "JPEG"), 0),
        (saved(RGB.convert("L"), "JPEG"), 0),
        (saved(RGB.convert("CMYK"), "JPEG"), 0),
        (saved(RGB, "JPEG", progressive=True, subsampling=2), 2 * 1.5),
        (saved(RGB, "JPEG", progressive=True, subsampling=1), 2 * 2),
        (saved(RGB, "JPEG", progressive=True, subsampling=0), 2 * 3),
        (saved(RGB.convert("L"), "JPEG", progressive=True), 2),
        (saved(RGB.convert("CMYK"), "JPEG", progressive=True), 2 * 4),
        (jpeg_in_three_scans(RGB.convert("L")), 2 * 3),
    ],
)
def test_a_jpeg_of_several_scans_costs_its_coefficients(
    data: bytes, coefficient_bytes_per_pixel: float
) -> None:
    assert open_source(data).survey.decoder_bytes == pytest.approx(
        coefficient_bytes_per_pixel * 160 * 120, rel=0.06
    )


def tiff_file(values: NDArray[Any], **options: object) -> bytes:
    """A TIFF of tifffile's."""
    out = io.BytesIO()
    tifffile.imwrite(out, values, metadata=None, **options)  # type: ignore[arg-type]
    return out.getvalue()


def planes_tiff(image: Image.Image, bits: int, **options: object) -> bytes:
    """A TIFF with a plane for each channel."""
    levels = np.asarray(image).transpose(2, 0, 1).astype(f"u{bits // 8}")
    return tiff_file(
        levels * (257 if bits == 16 else 1), photometric="rgb", planarconfig="separate", **options
    )


def cost_cases() -> dict[str, bytes]:
    """Pictures of about 2 megapixels, each of another way to decode."""
    side = 1400
    gradient = Image.merge(
        "RGB", [Image.linear_gradient("L").rotate(angle).resize((side, side)) for angle in (0, 90, 180)]
    )
    gray = gradient.convert("L")
    few = gradient.quantize(64)
    fast = {"compress_level": 1}
    return {
        "JPEG": saved(gradient, "JPEG"),
        "JPEG gray": saved(gray, "JPEG"),
        "JPEG progressive 4:2:0": saved(gradient, "JPEG", progressive=True),
        "JPEG progressive 4:4:4": saved(gradient, "JPEG", progressive=True, subsampling=0),
        "JPEG progressive CMYK": saved(gradient.convert("CMYK"), "JPEG", progressive=True),
        "PNG RGB": saved(gradient, "PNG", **fast),
        "PNG RGBA": saved(gradient.convert("RGBA"), "PNG", **fast),
        "PNG palette": saved(few, "PNG", **fast),
        "PNG 16-bit gray": saved(gray.convert("I;16"), "PNG", **fast),
        "GIF": saved(few, "GIF"),
        "BMP": saved(gradient, "BMP"),
        "BMP run-length": run_length_bitmap(side),
        "TIFF": saved(gradient, "TIFF"),
        "TIFF LZW": saved(gradient, "TIFF", compression="tiff_lzw"),
        "TIFF LZW in one strip": saved(gradient, "TIFF", compression="tiff_lzw", strip_size=side * side * 3),
        "TIFF LZW turned": turned(gradient, "TIFF", 6, compression="tiff_lzw"),
        "TIFF planes of 16 bits": planes_tiff(gradient, 16, compression="zlib", rowsperstrip=16),
        "TIFF planes of 16 bits in one strip": planes_tiff(
            gradient, 16, compression="zlib", rowsperstrip=side
        ),
        "TIFF planes of 16 bits in tiles": planes_tiff(gradient, 16, compression="zlib", tile=(256, 256)),
        "TIFF planes of 8 bits": planes_tiff(gradient, 8),
        "TIFF gray of 16 bits": tiff_file(np.asarray(gray).astype(np.uint16) * 257, compression="zlib"),
        "TIFF floats": tiff_file(np.asarray(gray).astype(np.float32)),
        "WEBP": saved(gradient, "WEBP", quality=20, method=0),
        "WEBP lossless": saved(gradient, "WEBP", lossless=True, quality=0, method=0),
    }


MEASURE = """
import os, sys
from pathlib import Path
from shared_code.picture.header import open_source
from shared_code.picture.decoding import decode

def status(key):
    return int(Path("/proc/self/status").read_text().split(key + ":")[1].split()[0]) * 1024

def decoded(path):
    data = path.read_bytes()
    header = open_source(data)
    before = status("VmRSS")
    picture = decode(header, 1)
    estimate = header.fixed_bytes + header.bytes_per_pixel * picture.width * picture.height
    return int(estimate), status("VmHWM") - before

big, small = sorted(Path(sys.argv[1]).glob("*.big")), sorted(Path(sys.argv[1]).glob("*.small"))
for path in big:
    if os.fork() == 0:
        for first in small:
            decoded(first)  # in this process: a fork maps the libraries' pages anew as they are touched
        print(path.stem, *decoded(path), sep="\\t", flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process from /proc")
def test_cost_of_decoding_is_estimated_well(tmp_path: Path) -> None:
    """Resident bytes of a process that decodes each picture, against what its header promised.

    The small ones are decoded first: what decoders load for themselves is not the picture's.
    """
    cases = cost_cases()
    for number, data in enumerate(cases.values()):
        (tmp_path / f"{number}.big").write_bytes(data)
    for form in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"):
        (tmp_path / f"{form}.small").write_bytes(encoded(form, 64, 64))
    (tmp_path / "LZW.small").write_bytes(turned(RGB, "TIFF", 6, compression="tiff_lzw"))
    (tmp_path / "runs.small").write_bytes(run_length_bitmap(64))
    (tmp_path / "planes.small").write_bytes(planes_tiff(RGB, 16, compression="zlib"))
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = list(cases)
    rows = {
        names[int(number)]: (int(a), int(b)) for number, a, b in map(str.split, measured.stdout.splitlines())
    }
    assert rows.keys() == cases.keys()
    slack_bytes = 2 << 20  # allocator, row buffers; a plan adds far more for the work itself
    too_low = {name: row for name, row in rows.items() if row[0] + slack_bytes < row[1]}
    too_high = {name: row for name, row in rows.items() if row[0] > 1.7 * row[1] + slack_bytes}
    assert not too_low
    assert not too_high


def test_a_source_is_data() -> None:
    data = saved(RGB, "BMP")
    assert open_source(data) == open_source(data)
    assert (open_source(data).fixed_bytes, open_source(data).bytes_per_pixel) == (0, 4.1)


def outcome(data: bytes) -> str | Source:
    try:
        return open_source(data)
    except SegmentError as error:
        return error.id


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "ICO", "TIFF"])
def test_hostile_headers_are_documented_errors(form: str) -> None:
    """Every byte of the first 200 set to 0x00 and to 0xFF: refused, or a header within its bounds."""
    data = encoded(form, 64, 64)
    outcomes = [
        outcome(data[:at] + value + data[at + 1 :])
        for at in range(min(200, len(data)))
        for value in (b"\x00", b"\xff")
    ]
    headers = [header for header in outcomes if isinstance(header, Source)]
    assert headers
    assert {error for error in outcomes if isinstance(error, str)} <= {"E-FORMAT", "E-DIM"}
    assert all(50 <= side <= 16_000 for header in headers for side in (header.width, header.height))
    assert all(header.fixed_bytes >= 0 for header in headers)
