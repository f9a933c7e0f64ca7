import io
from pathlib import Path

import pytest
from PIL import Image

from segment_client.finish import Finisher
from segment_client.options import Format, Look, Mode


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
