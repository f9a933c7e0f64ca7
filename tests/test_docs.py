"""The tables of the docs against the code they speak of."""

from pathlib import Path

import pytest

from segment_function.pages.openapi import ERROR_EXAMPLES
from shared_code.errors import SegmentError
from shared_code.settings import documented_variables

PROJECT = Path(__file__).parents[1]


def rows(name: str) -> dict[str, list[str]]:
    """The table rows of a page by their first cell; headings and rules are no harm."""
    lines = (PROJECT / name).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {first.strip("`"): rest for first, *rest in cells}


@pytest.mark.parametrize("error", ERROR_EXAMPLES, ids=lambda error: error.id)
def test_error_is_documented(error: SegmentError) -> None:
    when, status, body = rows("docs/errors.md")[error.id]
    assert when
    assert status == str(error.status)
    assert body == f"`{error.body().decode()}`"


def test_no_other_error_is_documented() -> None:
    documented = {first for first in rows("docs/errors.md") if first.startswith("E-")}
    assert documented == {cls.id for cls in SegmentError.__subclasses__()}


@pytest.mark.parametrize(("variable", "default"), documented_variables().items())
def test_setting_is_documented(variable: str, default: str) -> None:
    shown, meaning = rows("README.md")[variable]
    assert shown == (f"`{default}`" if default else "none")
    assert meaning


def test_no_other_setting_is_documented() -> None:
    documented = {first for first in rows("README.md") if first.startswith(("SEGMENT_", "CUTOUT_"))}
    assert documented == documented_variables().keys()
