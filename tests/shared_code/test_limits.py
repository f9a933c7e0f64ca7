"""Callers rely on these numbers, so those of the document are those of the code."""

import pytest

from shared_code.limits import MAX_CUTOUT_PIXELS, MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX
from tests.support.hosts import PROJECT


def written(number: int) -> str:
    return f"{number:,}".replace(",", " ")


@pytest.mark.parametrize(
    "words",
    [
        f"1 to {written(MAX_IMAGE_BYTES)}, else E-SIZE",
        f"each {MIN_SIDE_PX} to {written(MAX_SIDE_PX)} pixels, else E-DIM",
        f"above {written(MAX_CUTOUT_PIXELS)} pixels it is scaled down",
    ],
)
def test_the_document_says_so(words: str) -> None:
    assert words in (PROJECT / "docs" / "api.md").read_text()
