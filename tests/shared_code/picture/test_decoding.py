import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from PIL.Image import Resampling

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.decoding import DecodedImage, decode
from shared_code.picture.header import open_source
from shared_code.picture.scale import decode_scale
from tests.shared_code.picture.samples import (
    SRGB_PRIMARIES,
    icc_profile,
    icon,
    icon_bitmap,
    png,
    png_chunk,
    run_length_bitmap,
    saved,
    turned,
)
from tests.support.photos import encoded, photo

type Array = NDArray[np.uint8]

UPRIGHT: dict[int, Callable[[Array], Array]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}
"""EXIF orientation to what a viewer does with the stored rows, in numpy's words."""


def open_picture(data: bytes, scale: int = 1) -> DecodedImage:
    return decode(open_source(data), scale)


def whole(picture: DecodedImage) -> Image.Image:
    return picture.rows(0, picture.height, picture.width, picture.height)


def in_strips(picture: DecodedImage, width: int, height: int, rows: int) -> Array:
    tops = range(0, height, rows)
    return np.vstack([np.asarray(picture.rows(top, min(height, top + rows), width, height)) for top in tops])


def difference(one: Image.Image | Array, other: Image.Image | Array) -> Array:
    return np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).astype(np.uint8)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
class TestOrientation:
    """A stored picture of 203 x 157, odd so that neither strips nor blocks fit."""

    stored = photo("chelsea.png").resize((203, 157))

    def test_rows(self, form: str, orientation: int) -> None:
        plain = np.asarray(Image.open(io.BytesIO(saved(self.stored, form))).convert("RGB"))
        data = turned(self.stored, form, orientation)
        picture = open_picture(data)
        expected = UPRIGHT[orientation](plain)
        assert (picture.height, picture.width) == expected.shape[:2]
        for rows in (1, 50, 1000):
            np.testing.assert_array_equal(in_strips(picture, picture.width, picture.height, rows), expected)
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(image).convert("RGB")), expected)

    def test_scaled_rows_join_and_equal_the_whole(self, form: str, orientation: int) -> None:
        """Rounding after each of the two passes differs by one when rows and columns change places."""
        picture = open_picture(turned(self.stored, form, orientation))
        width, height = round(picture.width * 0.61), round(picture.height * 0.61)
        at_once = whole(picture).resize((width, height), Image.Resampling.BICUBIC)
        for rows in (1, 13, height):
            assert difference(in_strips(picture, width, height, rows), at_once).max() <= 2

    @pytest.mark.parametrize("divisor", [3, 3.9, 5])
    def test_rows_scaled_down_a_lot(self, form: str, orientation: int, divisor: float) -> None:
        """They are averaged in blocks first, all strips in the same ones."""
        picture = open_picture(turned(self.stored, form, orientation))
        width, height = round(picture.width / divisor), round(picture.height / divisor)
        at_once = in_strips(picture, width, height, height)
        for rows in (1, 7):
            assert difference(in_strips(picture, width, height, rows), at_once).max() <= 1
        resampled = whole(picture).resize((width, height), Image.Resampling.BICUBIC)
        apart = difference(at_once, resampled)
        assert apart.mean() < 1.5
        assert apart.max() <= 24

    def test_thumbnail(self, form: str, orientation: int) -> None:
        """The thumbnail is averaged in blocks first, which is a little softer than resampling at once."""
        picture = open_picture(turned(self.stored, form, orientation))
        width, height = picture.width // 9, picture.height // 9
        at_once = whole(picture).resize((width, height), Image.Resampling.BICUBIC)
        apart = difference(picture.thumbnail(width, height, Resampling.BICUBIC), at_once)
        assert apart.mean() < 1.5
        assert apart.max() <= 24


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "scale"), [("PNG", 1), ("WEBP", 1), ("JPEG", 2)])
def test_thumbnails_of_what_is_averaged(form: str, scale: int, orientation: int) -> None:
    picture = open_picture(turned(ramp(1017, 777), form, orientation), scale)
    size = (80, 60) if orientation < 5 else (60, 80)
    small = picture.averaged(*size)
    assert 1.5 * size[0] <= small.width < picture.width
    assert 1.5 * size[1] <= small.height < picture.height
    for width, height in (size, (40, 30)):
        thumbnail = small.thumbnail(width, height, Resampling.BICUBIC)
        assert difference(thumbnail, picture.thumbnail(width, height, Resampling.BICUBIC)).max() <= 3


def test_what_is_small_is_not_averaged() -> None:
    picture = open_picture(encoded("PNG", 200, 150))
    assert picture.averaged(100, 100) is picture


def ramp(width: int, height: int) -> Image.Image:
    """Red tells the column and green the row, both exactly linear in position."""
    columns = (np.arange(width) + 0.5) / width * 255
    rows = (np.arange(height) + 0.5) / height * 255
    red, green = np.meshgrid(columns, rows)
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 128)]).round().astype(np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("form", "scale"), [("PNG", 1), ("TIFF", 1), ("JPEG", 1), ("JPEG", 2), ("JPEG", 4), ("JPEG", 8)]
)
def test_nothing_shifts(form: str, scale: int, orientation: int) -> None:
    """Sizes that no block divides: the last block is partial, wherever orientation puts it.

    A shift of one pixel of the thumbnail changes a ramp by 255 / 40, that is more than 6 levels; the outer
    pixels are left out, because resampling flattens a ramp at its ends.
    """
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    picture = open_picture(turned(ramp(1017, 777), form, orientation, **options), scale)
    expected = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](np.asarray(ramp(1017, 777)))))
    size = (40, 30) if orientation < 5 else (30, 40)
    inner = np.s_[2:-2, 2:-2]
    reference = expected.resize(size, Image.Resampling.BOX)
    assert difference(picture.thumbnail(*size, Resampling.BICUBIC), reference)[inner].max() <= 2
    assert difference(picture.rows(0, size[1], *size), reference)[inner].max() <= 2


@pytest.mark.parametrize(
    ("form", "size", "wanted", "scale"),
    [
        ("JPEG", (1000, 800), (1000, 800), 1),
        ("JPEG", (1000, 800), (501, 400), 1),
        ("JPEG", (1000, 800), (500, 400), 2),
        ("JPEG", (1000, 800), (250, 200), 4),
        ("JPEG", (1000, 800), (125, 100), 8),
        ("JPEG", (1000, 800), (60, 1), 8),
        ("JPEG", (1001, 801), (501, 401), 2),
        ("JPEG", (1001, 801), (126, 101), 8),
        ("JPEG", (1001, 801), (127, 101), 4),
        ("PNG", (1000, 800), (10, 10), 1),
        ("TIFF", (1000, 800), (10, 10), 1),
    ],
)
def test_decode_scale(form: str, size: tuple[int, int], wanted: tuple[int, int], scale: int) -> None:
    assert decode_scale(open_source(encoded(form, *size)), *wanted) == scale


@pytest.mark.parametrize("size", [(50, 50), (51, 67), (400, 300), (1003, 777)])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
@pytest.mark.parametrize("form", ["JPEG", "MPO"])
def test_jpeg_is_decoded_at_a_fraction(
    form: str, size: tuple[int, int], scale: int, options: dict[str, object]
) -> None:
    image = photo().resize(size)
    if form == "MPO":
        options = {**options, "save_all": True, "append_images": [image.rotate(180)]}
    picture = open_picture(saved(image, form, **options), scale)
    assert (picture.width, picture.height) == (-(-size[0] // scale), -(-size[1] // scale))
    reduced = image.reduce(scale)
    assert difference(whole(picture), reduced).mean() < 10  # quality 75 of a very small photo


def half_transparent() -> Image.Image:
    image = photo().resize((90, 70)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((90, 70)))
    return image


def color_key_png(bits: int, colour_type: int, pixels: bytes, key: bytes) -> bytes:
    return png(60, 50, bits=bits, colour_type=colour_type, pixels=pixels, before=[png_chunk(b"tRNS", key)])


def palette_png() -> bytes:
    """Four colours, three of them with an alpha of their own."""
    palette = png_chunk(b"PLTE", bytes(range(12)))
    alphas = png_chunk(b"tRNS", bytes([0, 100, 200]))
    return png(60, 50, colour_type=3, pixels=bytes([0, 1, 2, 3, 3] * 600), before=[palette, alphas])


ALPHA = {
    "PNG RGBA": saved(half_transparent(), "PNG"),
    "PNG LA": saved(half_transparent().convert("LA"), "PNG"),
    "PNG palette with alphas": palette_png(),
    "PNG palette with one clear index": saved(photo().resize((60, 50)).quantize(8), "PNG", transparency=3),
    "PNG gray key": color_key_png(8, 0, bytes([7, 8, 9] * 1000), b"\0\x08"),
    "PNG RGB key": color_key_png(8, 2, bytes([1, 2, 3, 4, 5, 6] * 1500), b"\0\1\0\2\0\3"),
    "PNG 1-bit key": color_key_png(1, 0, b"\xf0" * 400, b"\0\1"),
    "GIF": saved(photo().resize((60, 50)).quantize(8), "GIF", transparency=3),
    "WEBP": saved(half_transparent(), "WEBP", lossless=True, exact=True),
    "TIFF": saved(half_transparent(), "TIFF"),
    "ICO": icon((90, 70, 32, icon_bitmap(half_transparent()))),
    "ICO around a PNG": icon((90, 70, 32, saved(half_transparent(), "PNG"))),
}


@pytest.mark.parametrize("data", ALPHA.values(), ids=ALPHA)
def test_alpha_is_kept(data: bytes) -> None:
    picture = open_picture(data)
    with Image.open(io.BytesIO(data)) as image:
        expected = image.convert("RGBA")
    assert picture.has_alpha
    alpha = np.asarray(expected.getchannel("A"))
    assert alpha.min() < 255
    np.testing.assert_array_equal(in_strips(picture, picture.width, picture.height, 7), np.asarray(expected))
    thumbnail = picture.thumbnail(11, 9, Resampling.BICUBIC)
    assert thumbnail.mode == "RGBA"
    by_hand = expected.getchannel("A").resize((11, 9), Image.Resampling.BICUBIC)
    assert difference(thumbnail.getchannel("A"), by_hand).mean() < 8  # stripes as fine as the blocks


@pytest.mark.parametrize(
    ("bits", "colour_type", "samples"), [(16, 0, 1), (16, 2, 3)], ids=["gray 16-bit", "RGB 16-bit"]
)
def test_key_of_wide_samples(bits: int, colour_type: int, samples: int) -> None:
    """Pillow compares such a key after it has cut the samples; whatever it finds, the picture is read."""
    values = np.arange(60 * 50 * samples, dtype=">u2").tobytes()
    picture = open_picture(color_key_png(bits, colour_type, values, struct.pack(">H", 5) * samples))
    assert whole(picture).size == (60, 50)


GRAY_LEVELS = np.linspace(0, 65_535, 60 * 50).reshape(50, 60)


def wide_tiff(values: NDArray[np.generic], tags: dict[int, int] | None = None) -> bytes:
    return saved(Image.fromarray(values), "TIFF", tiffinfo=tags or {})


def big_endian_tiff() -> bytes:
    """16-bit gray in Motorola byte order, one strip behind the directory (TIFF 6.0, section 2)."""
    entries = [
        (256, 60),
        (257, 50),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 12 * 9 + 4),
        (277, 1),
        (278, 50),
        (279, 6000),
    ]
    directory = b"".join(
        struct.pack(
            ">HHIHH" if tag != 273 else ">HHII", tag, *((3, 1, value, 0) if tag != 273 else (4, 1, value))
        )
        for tag, value in entries
    )
    return (
        b"MM\0*\0\0\0\x08" + struct.pack(">H", 9) + directory + bytes(4) + GRAY_LEVELS.astype(">u2").tobytes()
    )


@pytest.mark.parametrize(
    ("data", "least_significant"),
    [
        pytest.param(
            png(60, 50, bits=16, colour_type=0, pixels=GRAY_LEVELS.astype(">u2").tobytes()), 1, id="PNG"
        ),
        pytest.param(wide_tiff(GRAY_LEVELS.astype("<u2")), 1, id="TIFF little-endian"),
        pytest.param(big_endian_tiff(), 1, id="TIFF big-endian"),
        pytest.param(wide_tiff(GRAY_LEVELS.astype(np.int32)), 1, id="TIFF 32-bit of 16"),
        pytest.param(wide_tiff((GRAY_LEVELS / 257).astype(np.int32)), 1, id="TIFF 32-bit of 8"),
        pytest.param(wide_tiff(GRAY_LEVELS.astype(np.float32)), 1, id="TIFF float to 65535"),
        pytest.param(wide_tiff((GRAY_LEVELS / 257).astype(np.float32)), 1, id="TIFF float to 255"),
        pytest.param(wide_tiff((GRAY_LEVELS / 65_535).astype(np.float32)), 1, id="TIFF float to 1"),
        pytest.param(wide_tiff((GRAY_LEVELS * 10).astype(np.float32)), 1, id="TIFF float beyond"),
    ],
)
def test_wide_gray_is_scaled_and_not_clipped(data: bytes, least_significant: int) -> None:
    picture = open_picture(data)
    red, green, blue = whole(picture).split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()
    assert difference(red, (GRAY_LEVELS / 257).astype(np.uint8)).max() <= least_significant
    assert difference(in_strips(picture, 60, 50, 7), whole(picture)).max() == 0
    assert difference(picture.thumbnail(6, 5, Resampling.BICUBIC), whole(picture).resize((6, 5))).max() <= 12


@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_colour(alpha: bool) -> None:
    image = half_transparent() if alpha else half_transparent().convert("RGB")
    samples = np.asarray(image).astype(">u2") * 257
    data = png(90, 70, bits=16, colour_type=6 if alpha else 2, pixels=samples.tobytes())
    np.testing.assert_array_equal(np.asarray(whole(open_picture(data))), np.asarray(image))


FLAT = {
    "1-bit PNG": saved(photo().resize((60, 50)).convert("1"), "PNG"),
    "1-bit TIFF": saved(photo().resize((60, 50)).convert("1"), "TIFF"),
    "gray JPEG": saved(photo().resize((60, 50)).convert("L"), "JPEG"),
    "palette PNG": saved(photo().resize((60, 50)).quantize(16), "PNG"),
    "4-bit palette BMP": saved(photo().resize((60, 50)).quantize(16), "BMP"),
    "run-length BMP": run_length_bitmap(60),
    "CMYK JPEG": saved(photo().resize((60, 50)).convert("CMYK"), "JPEG"),
    "CMYK TIFF": saved(photo().resize((60, 50)).convert("CMYK"), "TIFF"),
    "YCbCr TIFF": saved(photo().resize((60, 50)).convert("YCbCr"), "TIFF"),
    "GIF": saved(photo().resize((60, 50)), "GIF"),
}


@pytest.mark.parametrize("data", FLAT.values(), ids=FLAT)
def test_other_modes_become_rgb(data: bytes) -> None:
    picture = open_picture(data)
    with Image.open(io.BytesIO(data)) as image:
        expected = image.convert("RGB")
    assert not picture.has_alpha
    np.testing.assert_array_equal(in_strips(picture, picture.width, picture.height, 9), np.asarray(expected))
    thumbnail = picture.thumbnail(12, 10, Resampling.BICUBIC)
    assert thumbnail.mode == "RGB"
    assert difference(thumbnail, expected.resize((12, 10), Image.Resampling.BICUBIC)).mean() < 6  # dots


def test_lab_tiff() -> None:
    rgb = photo().resize((60, 50))
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(rgb, transform)
    assert lab is not None
    read_back = whole(open_picture(saved(lab, "TIFF")))
    assert read_back.mode == "RGB"
    assert difference(read_back, rgb).mean() < 2


@pytest.mark.parametrize(
    ("form", "alpha"),
    [("JPEG", False), *((form, alpha) for form in ("PNG", "WEBP", "TIFF") for alpha in (False, True))],
)
def test_rgb_profile(form: str, alpha: bool) -> None:
    """A profile whose red and blue are sRGB's blue and red: sRGB is gamma 2.2 to within 12 dark levels."""
    image = half_transparent() if alpha else half_transparent().convert("RGB")
    options: dict[str, object] = {"lossless": True, "exact": True} if form == "WEBP" else {}
    profile = icc_profile("RGB", 2.2, SRGB_PRIMARIES[::-1])
    data = saved(image, form, icc_profile=profile, **options)
    with Image.open(io.BytesIO(data)) as plain:
        red, green, blue, *rest = plain.convert(image.mode).split()
    expected = Image.merge(image.mode, [blue, green, red, *rest])
    picture = open_picture(data)
    assert picture.has_alpha is alpha
    assert difference(whole(picture), expected).mean() < 2
    assert difference(whole(picture), expected).max() <= 12
    np.testing.assert_array_equal(in_strips(picture, 90, 70, 11), np.asarray(whole(picture)))
    thumbnail = picture.thumbnail(30, 20, Resampling.BICUBIC)
    assert difference(thumbnail, whole(picture).resize((30, 20))).mean() < 3


def test_palette_with_a_profile() -> None:
    image = photo().resize((60, 50)).quantize(16)
    data = saved(image, "PNG", icc_profile=icc_profile("RGB", 2.2, SRGB_PRIMARIES[::-1]), transparency=2)
    red, green, blue, alpha = image.convert("RGBA").split()
    picture = open_picture(data)
    assert picture.has_alpha
    read = whole(picture)
    assert difference(read.convert("RGB"), Image.merge("RGB", [blue, green, red])).max() <= 12
    np.testing.assert_array_equal(np.asarray(read.getchannel("A")) == 0, np.asarray(image) == 2)
    assert alpha.getextrema() == (255, 255)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_gray_profile(mode: str) -> None:
    """Linear light 128 / 255 is 188 in sRGB (IEC 61966-2-1), which leaves black and white alone."""
    image = Image.new(mode, (60, 50), 128 if mode == "L" else (128, 99))
    read = whole(open_picture(saved(image, "PNG", icc_profile=icc_profile("GRAY", 1.0))))
    assert read.mode == ("RGB" if mode == "L" else "RGBA")
    colour = read.getpixel((7, 7))
    assert isinstance(colour, tuple)
    assert colour[:3] == pytest.approx((188, 188, 188), abs=1)
    assert colour[3:] == (() if mode == "L" else (99,))


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile", id="broken"),
        pytest.param(icc_profile("RGB", 2.2, SRGB_PRIMARIES)[:200], id="cut"),
        pytest.param(icc_profile("GRAY", 1.0), id="of another kind"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), id="sRGB"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes(), id="XYZ"),
    ],
)
def test_profile_that_changes_nothing(profile: bytes) -> None:
    image = photo().resize((60, 50))
    data = saved(image, "PNG", icc_profile=profile)
    np.testing.assert_array_equal(np.asarray(whole(open_picture(data))), np.asarray(image))


def test_turned_and_profiled_and_scaled() -> None:
    image = photo().resize((200, 160))
    data = turned(image, "JPEG", 6, icc_profile=icc_profile("RGB", 2.2, SRGB_PRIMARIES[::-1]), quality=95)
    red, green, blue = image.rotate(-90, expand=True).split()
    expected = Image.merge("RGB", [blue, green, red]).reduce(2)
    assert difference(whole(open_picture(data, 2)), expected).mean() < 4


FORMATS = ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated(form: str, kept: float) -> None:
    data = encoded(form, 200, 150)
    with pytest.raises(ImageFormatInvalid):
        open_picture(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(60, 50), id="PNG without pixels"),
        pytest.param(png(60, 50, pixels=bytes(60 * 40 * 3)), id="PNG with too few pixels"),
        pytest.param(encoded("PNG", 60, 50)[:-12], id="PNG without its end"),
        pytest.param(icon((60, 50, 32, png(60, 50))), id="ICO around a PNG without pixels"),
        pytest.param(icon((60, 50, 32, encoded("PNG", 60, 50)[:-12])), id="ICO around a PNG without its end"),
        pytest.param(
            saved(photo().resize((60, 50)), "TIFF", compression="tiff_deflate").replace(b"x\x9c", b"yy"),
            id="TIFF with broken deflate",
        ),
    ],
)
def test_corrupt(data: bytes) -> None:
    with pytest.raises(ImageFormatInvalid):
        open_picture(data)


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP", "MPO"])
def test_the_first_frame_counts(form: str) -> None:
    first, second = Image.new("RGB", (60, 50), "red"), Image.new("RGB", (60, 50), "blue")
    data = saved(first, form, save_all=True, append_images=[second])
    picture = open_picture(data)
    assert not picture.has_alpha
    red, green, blue = whole(picture).convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    assert red > 240
    assert max(green, blue) < 12


def test_altered_pixels_of_a_png_are_noticed() -> None:
    """Pillow would decode them: the zlib stream is whole, only the CRC tells."""
    data = encoded("PNG", 60, 50)
    at = data.index(b"IDAT")
    (length,) = struct.unpack_from(">I", data, at - 4)
    rows = bytearray(zlib.decompress(data[at + 4 : at + 4 + length]))
    rows[100] ^= 1
    body = zlib.compress(bytes(rows))
    altered = data[: at - 4] + struct.pack(">I", len(body)) + b"IDAT" + body + data[at + 4 + length :]
    with pytest.raises(ImageFormatInvalid):
        open_picture(altered)
