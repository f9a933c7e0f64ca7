"""The tables of the docs against the code they speak of."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from shared_code.errors import SegmentError, all_errors
from tests.support.variables import documented_variables

PROJECT = Path(__file__).parents[1]


def rows(name: str) -> dict[str, list[str]]:
    """The table rows of a page by their first cell; headings and rules are no harm."""
    lines = (PROJECT / name).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {first.strip("`"): rest for first, *rest in cells}


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.id)
def test_error_is_documented(error: SegmentError) -> None:
    when, status, body = rows("docs/errors.md")[error.id]
    assert when == error.when()
    assert status == str(error.status)
    assert body == f"`{error.body().decode()}`"


def test_no_other_error_is_documented() -> None:
    documented = {first for first in rows("docs/errors.md") if first.startswith("E-")}
    assert documented == {cls.id for cls in SegmentError.__subclasses__()}


@pytest.mark.parametrize(("variable", "default"), documented_variables().items())
def test_setting_is_documented(variable: str, default: str) -> None:
    shown, meaning = rows("docs/settings.md")[variable]
    assert shown == (f"`{default}`" if default else "none")
    assert meaning


def test_no_other_setting_is_documented() -> None:
    prefixes = ("SEGMENT_", "CUTOUT_", "APPLICATIONINSIGHTS_", "OTEL_")
    documented = {first for first in rows("docs/settings.md") if first.startswith(prefixes)}
    assert documented == documented_variables().keys()


TOP = ("README", "CONTRIBUTING", "SECURITY")
PAGES = [*sorted((PROJECT / "docs").rglob("*.md")), *(PROJECT / f"{name}.md" for name in TOP)]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Files of this project that a page links to, and the headings in them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            path, _, heading = target.partition("#")
            yield ((page.parent / unquote(path)).resolve() if path else page), heading


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for path, heading in links(page):
        assert path.exists(), path
        assert not heading or heading in headings(path), f"{path} has no heading {heading}"


def test_every_page_is_reached_from_the_front_door() -> None:
    reached: set[Path] = set()
    waiting = [PROJECT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [path for path, _ in links(page) if path.is_file()]
    assert set(PAGES) <= reached


@pytest.mark.parametrize(
    "place", re.findall(r"`((?:\w+/)+(?:[\w.]+)?)`", (PROJECT / "docs/README.md").read_text())
)
def test_places_of_the_front_door_exist(place: str) -> None:
    assert (PROJECT / place).exists() or (PROJECT / "shared_code" / place).exists()
