import time

import pytest

from segment_function.accept import MediaRange, parse_accept, preferred
from shared_code.encode.answer_formats import AVIF, PNG, WEBP, AnswerFormat
from tests.support.measuring import least

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", PNG),
        ("*/*", PNG),
        ("image/*", PNG),
        ("image/*, */*;q=0.1", PNG),
        ("application/json", PNG),
        ("text/html, application/xhtml+xml;q=0.9, */*;q=0.8", PNG),
        ("image/jpeg", PNG),
        ("image/png", PNG),
        ("image/webp", WEBP),
        ("image/avif", AVIF),
        ("IMAGE/WebP", WEBP),
        ("image/webp;q=0.001", WEBP),
        ("image/webp;Q=0.5", WEBP),
        (" image/webp ; q=1.000 ", WEBP),
        ("image/webp, */*", WEBP),
        ("*/*, image/webp", WEBP),
        ("image/webp, image/png", PNG),
        ("image/webp, image/png;q=0.9", WEBP),
        ("image/webp;q=0.8, image/png", PNG),
        ("image/webp;q=0.8, image/*", PNG),
        ("image/webp;q=0.8, */*;q=0.9", PNG),
        ("image/webp;q=0.8, */*;q=0.1", WEBP),
        ("image/avif, image/webp;q=0.9", AVIF),
        ("image/avif, image/webp", WEBP),
        (CHROME, WEBP),
        ("image/webp;q=0", PNG),
        ("image/webp;q=0.000, */*", PNG),
        ("image/png;q=0, image/*", WEBP),
        ("image/png;q=0, image/webp;q=0, image/*", AVIF),
        ("image/png;q=0", PNG),
        ("image/webp;q=0, image/webp", WEBP),
        ("image/webp;level=1", PNG),
        ("image/webp;level=1;q=1, image/avif;q=0.1", AVIF),
        ("image/webp;q=0.5;extension", WEBP),
        ('image/webp;q=0.5;extension="a,b", text/plain', WEBP),
        ('text/x;a="image/webp, image/webp", */*', PNG),
        ("image/webp;", WEBP),
        (",, ,image/webp,,", WEBP),
        ("image/webp;q=2", PNG),
        ("image/webp;q=-1", PNG),
        ("image/webp;q=0.1234", PNG),
        ("image/webp;q=", PNG),
        ("image/webp;q=1.001", PNG),
        ("image/webp q=1", PNG),
        ("image /webp", PNG),
        ("image/webp/x", PNG),
        ("*/webp", PNG),
        ("webp", PNG),
        ('image/webp;a="', PNG),
        ("image/web\xfe", PNG),
    ],
)
def test_preferred(accept: str, format: AnswerFormat) -> None:
    assert preferred(accept) is format


def test_parsed() -> None:
    assert parse_accept("A/b;q=0.25, */*;q=0, c/d;e=f, g") == [
        MediaRange("a", "b", 0.25),
        MediaRange("*", "*", 0),
    ]


@pytest.mark.parametrize("piece", ["image/webp,", ";", '"', '"\\', "\\", "a/b;q=1;", " ,", 'a/b;c="\\"'])
def test_long_ones_take_no_long_time(piece: str) -> None:
    """What searches for the same end again and again would take minutes; 64 KiB is all that servers take."""

    def took_s() -> float:
        begin = time.process_time()
        preferred(piece * (65_536 // len(piece)))
        return time.process_time() - begin

    assert least(took_s, 10) < 10
