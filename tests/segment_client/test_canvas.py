import io

import numpy as np
import pytest
from PIL import Image

from segment_client.canvas import Canvas, put_on
from segment_client.finish import Finisher
from segment_client.options import Format, Look, Mode


def cutout(
    box: tuple[int, int, int, int], mode: str = "RGBA", size: tuple[int, int] = (400, 300)
) -> Image.Image:
    """A red rectangle, opaque, on nothing."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), box)
    return image if mode == "RGBA" else image.getchannel("A")


@pytest.mark.parametrize("mode", ["RGBA", "L"])
@pytest.mark.parametrize(
    ("canvas", "box", "expected"),
    [
        # left, top, right and bottom of the subject on the canvas
        (Canvas(100, 100), (100, 50, 300, 250), (0, 0, 100, 100)),
        (Canvas(100, 100, 0.1), (100, 50, 300, 250), (10, 10, 90, 90)),
        (Canvas(100, 100, 0.1), (0, 0, 300, 150), (10, 30, 90, 70)),
        (Canvas(200, 100, 0.08), (100, 50, 300, 250), (58, 8, 142, 92)),
        (Canvas(100, 100, 0.1), (399, 0, 400, 300), (49, 10, 50, 90)),
        (Canvas(1, 1), (100, 50, 300, 250), (0, 0, 1, 1)),
    ],
    ids=["full", "margin", "wide", "on a wide one", "a line", "one pixel"],
)
def test_the_subject_is_in_the_middle(
    canvas: Canvas, box: tuple[int, int, int, int], expected: tuple[int, int, int, int], mode: str
) -> None:
    made, note = put_on(canvas, cutout(box, mode))
    assert (made.mode, made.size, note) == (mode, canvas.size, "")
    assert made.getchannel(made.getbands()[-1]).getbbox() == expected


def test_the_subject_is_not_enlarged_without_a_word() -> None:
    image = cutout((10, 10, 50, 40))
    made, note = put_on(Canvas(200, 200, 0.1), image)
    assert made.crop((80, 85, 120, 115)).tobytes() == image.crop((10, 10, 50, 40)).tobytes()
    assert made.getchannel("A").getbbox() == (80, 85, 120, 115)
    assert "40 x 30 pixels" in note
    assert put_on(Canvas(40, 30), image)[1] == ""


def test_an_empty_cutout_is_an_empty_canvas() -> None:
    made, note = put_on(Canvas(20, 10), Image.new("RGBA", (400, 300)))
    assert (made.size, made.getbbox()) == ((20, 10), None)
    assert "no subject" in note


def test_a_haze_does_not_move_the_subject() -> None:
    image = cutout((100, 100, 200, 200))
    image.putpixel((399, 299), (255, 255, 255, 12))
    assert put_on(Canvas(50, 50), image)[0].getchannel("A").getbbox() == (0, 0, 50, 50)


def test_edges_keep_their_colour() -> None:
    """Black that is transparent does not darken what is scaled down beside it."""
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    for column in range(0, 400, 3):
        image.paste((200, 100, 50, 255), (column, 0, column + 1, 400))
    pixels = np.asarray(put_on(Canvas(100, 100), image)[0])
    seen = pixels[pixels[..., 3] > 40]
    assert len(seen) > 5000
    assert np.abs(seen[:, :3].astype(int) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize(
    ("look", "form", "corner", "middle"),
    [
        (Look(canvas=Canvas(80, 60, 0.1)), "PNG", (0, 0, 0, 0), (255, 0, 0, 255)),
        (Look(canvas=Canvas(80, 60, 0.1), background="#00f"), "PNG", (0, 0, 255), (255, 0, 0)),
        (Look(canvas=Canvas(80, 60, 0.1), format=Format.JPEG), "JPEG", (255, 255, 255), (254, 0, 0)),
        (Look(Mode.FOREGROUND_MATTING, canvas=Canvas(80, 60, 0.1)), "PNG", 0, 255),
    ],
)
def test_looks(look: Look, form: str, corner: object, middle: object) -> None:
    answer, result = io.BytesIO(), io.BytesIO()
    cutout((100, 50, 300, 250), "L" if look.mode is Mode.FOREGROUND_MATTING else "RGBA").save(answer, "PNG")
    assert Finisher(look)(answer, result) == ""
    image = Image.open(result)
    assert (image.format, image.size) == (form, (80, 60))
    assert (image.getpixel((0, 0)), image.getpixel((40, 30))) == (corner, middle)
    assert not look.is_answer(look.format)


@pytest.mark.parametrize(
    ("width", "height", "margin"),
    [
        (0, 10, 0),
        (10, 16_001, 0),
        (16_000, 16_000, 0),
        (10, 10, -0.1),
        (10, 10, 0.46),
        (10, 10, float("nan")),
    ],
)
def test_what_is_no_canvas(width: int, height: int, margin: float) -> None:
    with pytest.raises(ValueError, match=r"canvas|margin"):
        Canvas(width, height, margin)


def test_looks_that_differ_are_told_apart() -> None:
    looks = [Look(), Look(crop=True), *(Look(canvas=Canvas(9, 9, margin)) for margin in (0, 0.1))]
    assert len({Finisher(look).identity for look in looks}) == len(looks)
    assert [look.asks_for_the_subject for look in looks] == [False, True, True, True]
