import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from segment_client.errors import Broken
from segment_client.finish import Finisher
from segment_client.options import Format, Look, Mode
from tests.shared_code.picture.samples import SRGB_PRIMARIES, icc_profile


def answer(mode: str = "RGBA") -> io.BytesIO:
    """40 x 20: the left half is red and opaque, the right half transparent; or a matte of the same shape."""
    image = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 20))
    if mode == "L":
        image = image.getchannel("A")
    data = io.BytesIO()
    image.save(data, "PNG")
    return data


def finished(look: Look, mode: str = "RGBA") -> Image.Image:
    result = io.BytesIO()
    Finisher(look)(answer(mode), result)
    image = Image.open(result)
    image.load()
    return image


def is_near(pixel: object, expected: tuple[int, ...]) -> bool:
    assert isinstance(pixel, tuple)
    assert len(pixel) == len(expected)
    return all(abs(one - other) <= 8 for one, other in zip(pixel, expected, strict=True))


@pytest.mark.parametrize(
    ("look", "form", "left", "right"),
    [
        (Look(format=Format.WEBP), "WEBP", (255, 0, 0, 255), (0, 0, 0, 0)),
        (Look(format=Format.JPEG), "JPEG", (255, 0, 0), (255, 255, 255)),
        (Look(background="#00f"), "PNG", (255, 0, 0), (0, 0, 255)),
        (Look(background="lime", format=Format.JPEG), "JPEG", (255, 0, 0), (0, 255, 0)),
        (Look(background="rgb(1, 2, 3)", format=Format.WEBP), "WEBP", (255, 0, 0), (1, 2, 3)),
    ],
)
def test_looks(look: Look, form: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    image = finished(look)
    assert (image.format, image.size) == (form, (40, 20))
    assert is_near(image.getpixel((5, 10)), left)
    assert is_near(image.getpixel((35, 10)), right)


@pytest.mark.parametrize("form", list(Format))
def test_mattes(form: Format) -> None:
    image = finished(Look(Mode.FOREGROUND_MATTING, format=form), "L").convert("L")
    assert (image.getpixel((5, 10)), image.getpixel((35, 10))) == (255, 0)


@pytest.mark.parametrize(
    ("look", "transferred", "result_of"),
    [
        (Look(), Format.PNG, Format.PNG),
        (Look(background="#fff"), Format.PNG, None),
        (Look(transfer=Format.WEBP), Format.WEBP, Format.PNG),
        (Look(format=Format.WEBP), Format.WEBP, Format.WEBP),
        (Look(format=Format.WEBP, quality=90), Format.PNG, None),
        (Look(format=Format.WEBP, background="#fff"), Format.WEBP, None),
        (Look(format=Format.JPEG), Format.WEBP, None),
        (Look(format=Format.JPEG, transfer=Format.PNG), Format.PNG, None),
    ],
)
def test_transfer(look: Look, transferred: Format, result_of: Format | None) -> None:
    """What is asked for, and the answer whose bytes are the result."""
    assert look.transferred is transferred
    answers = [form for form in (Format.PNG, Format.WEBP) if look.is_answer(form)]
    assert answers == ([result_of] if result_of else [])


@pytest.mark.parametrize("mode", ["RGBA", "L"])
def test_an_answer_in_webp(mode: str) -> None:
    data, result = io.BytesIO(), io.BytesIO()
    Image.open(answer(mode)).save(data, "WEBP", lossless=True, exact=True)
    kind = Mode.FOREGROUND_MATTING if mode == "L" else Mode.BACKGROUND_REMOVAL
    Finisher(Look(kind, transfer=Format.WEBP))(data, result)
    assert Image.open(result).tobytes() == Image.open(answer(mode)).tobytes()


def test_jpeg_is_no_transfer() -> None:
    with pytest.raises(ValueError, match="png or webp"):
        Look(transfer=Format.JPEG)


def test_a_picture_is_cropped_to_fit(tmp_path: Path) -> None:
    ground = Image.new("RGB", (30, 100), (0, 0, 255))  # lies on its side: 100 x 30
    ground.paste((0, 255, 0), (0, 0, 30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned to the right: the top is the right side
    ground.save(tmp_path / "ground.png", exif=exif)
    image = finished(Look(background=tmp_path / "ground.png"))
    assert (image.mode, image.size) == ("RGB", (40, 20))
    assert is_near(image.getpixel((38, 10)), (0, 255, 0))
    assert is_near(image.getpixel((5, 10)), (255, 0, 0))


def test_the_largest_matte_is_no_bomb() -> None:
    data, result = io.BytesIO(), io.BytesIO()
    Image.new("L", (16_000, 16_000), 255).save(data, "PNG", compress_level=1)
    Finisher(Look(Mode.FOREGROUND_MATTING, format=Format.JPEG))(data, result)
    assert result.getvalue()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("background", ["no-colour", "#12", "#ffffff80", "missing.jpg", __file__])
def test_what_is_no_background(background: str) -> None:
    with pytest.raises(ValueError, match="background"):
        Finisher(Look(background=background))


def test_a_matte_has_no_background() -> None:
    with pytest.raises(ValueError, match="matte"):
        Look(Mode.FOREGROUND_MATTING, "#fff")


def shown(
    path: Path, background: Image.Image | bytes, form: str = "PNG", **options: object
) -> tuple[int, ...]:
    """The colour of a background where the answer is transparent."""
    if isinstance(background, bytes):
        path.write_bytes(background)
    else:
        background.save(path, form, **options)
    result = finished(Look(background=path))
    assert (result.mode, result.info.get("icc_profile"), dict(result.getexif())) == ("RGB", None, {})
    assert is_near(result.getpixel((5, 10)), (255, 0, 0)), "the subject's colour is not touched"
    colour = result.getpixel((35, 10))
    assert isinstance(colour, tuple)
    return colour


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_background_with_a_profile_becomes_srgb(tmp_path: Path, form: str) -> None:
    """Red and blue of the profile are sRGB's blue and red."""
    image = Image.new("RGB", (60, 30), (200, 40, 90))
    profile = icc_profile("RGB", 2.2, SRGB_PRIMARIES[::-1])
    assert is_near(shown(tmp_path / "ground", image, form, icc_profile=profile), (90, 40, 200))


@pytest.mark.parametrize("profile", [b"none", icc_profile("GRAY", 1.0)])
def test_a_profile_that_fits_no_pixel_is_ignored(tmp_path: Path, profile: bytes) -> None:
    image = Image.new("RGB", (60, 30), (200, 40, 90))
    assert shown(tmp_path / "ground", image, icc_profile=profile) == (200, 40, 90)


def test_gray_with_a_profile(tmp_path: Path) -> None:
    """Linear light 128 / 255 is 188 in sRGB."""
    image = Image.new("L", (60, 30), 128)
    assert is_near(shown(tmp_path / "ground", image, icc_profile=icc_profile("GRAY", 1.0)), (188,) * 3)


def test_png_gamma(tmp_path: Path) -> None:
    chunks = PngInfo()
    chunks.add(b"gAMA", (100_000).to_bytes(4))  # linear light
    assert shown(tmp_path / "ground", Image.new("RGB", (60, 30), (128,) * 3), pnginfo=chunks) == (188,) * 3


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_gray_of_16_bits(tmp_path: Path, form: str) -> None:
    levels = np.full((30, 60), 40_000, np.uint16)
    assert shown(tmp_path / "ground", Image.fromarray(levels), form) == (156, 156, 156)


def test_colours_of_16_bits(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    head = struct.pack(">IIBBBBB", 60, 30, 16, 2, 0, 0, 0)
    rows = (b"\0" + struct.pack(">HHH", 51_400, 10_280, 23_130) * 60) * 30
    png = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert shown(tmp_path / "ground", b"\x89PNG\r\n\x1a\n" + png) == (200, 40, 90)


@pytest.mark.parametrize(
    ("image", "options", "colour"),
    [
        (Image.new("RGBA", (60, 30), (0, 0, 200, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (60, 30), (0, 0, 200, 51)), {}, (204, 204, 244)),
        (Image.new("LA", (60, 30), (0, 51)), {}, (204, 204, 204)),
        (Image.new("RGB", (60, 30), (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        (Image.new("RGBA", (60, 30), (0, 0, 200, 0)).quantize(4), {}, (255, 255, 255)),
        (Image.new("1", (60, 30), 1), {}, (255, 255, 255)),
    ],
)
def test_what_is_transparent_is_white(
    tmp_path: Path, image: Image.Image, options: dict[str, Any], colour: tuple[int, int, int]
) -> None:
    assert is_near(shown(tmp_path / "ground", image, **options), colour)


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_other_colour_models(tmp_path: Path, mode: str) -> None:
    colours = Image.new("RGB", (60, 30), (200, 40, 90))
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            colours, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert image
    else:
        image = colours.convert(mode)
    assert is_near(shown(tmp_path / "ground", image, "TIFF"), (200, 40, 90))


@pytest.mark.parametrize("form", [Format.WEBP, Format.JPEG])
def test_quality(form: Format) -> None:
    sizes = []
    for quality in (20, 95):
        result = io.BytesIO()
        noise = Image.effect_noise((200, 200), 80).convert("RGBA")
        data = io.BytesIO()
        noise.save(data, "PNG")
        Finisher(Look(format=form, quality=quality))(data, result)
        sizes.append(len(result.getvalue()))
    assert sizes[1] > 2 * sizes[0]


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_a_quality_out_of_range(quality: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        Look(quality=quality)


def test_an_answer_with_a_fault_inside_is_told() -> None:
    data = bytearray(answer().getvalue())
    data[50] ^= 0xFF
    with pytest.raises(Broken):
        Finisher(Look(background="red"))(io.BytesIO(data), io.BytesIO())
