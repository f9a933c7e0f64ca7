"""What follows from the table of formats: recognition, the tables of docs/api.md."""

import ast
import re
from pathlib import Path

import pytest
from PIL import Image

from shared_code.picture import formats
from shared_code.picture.formats import (
    FORMATS,
    ICO,
    MORE_FORMATS,
    PNG,
    SIGNATURE_BYTES,
    Format,
    accepted,
    begins_as_picture,
    recognise,
)
from tests.shared_code.picture import heif_samples
from tests.shared_code.picture.samples import icon, icon_bitmap, saved
from tests.support.hosts import PROJECT
from tests.support.photos import encoded, photo

DECISION = next((PROJECT / "docs" / "decisions").glob("0009-*.md")).read_text(encoding="utf-8")
API = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
EVERY = pytest.mark.parametrize("row", [*FORMATS, *MORE_FORMATS], ids=lambda row: row.name)
ROWS = pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)


@ROWS
def test_a_file_is_recognised_by_its_row_alone(row: Format) -> None:
    data = encoded(row.name, 64, 64) if row is not ICO else icon((64, 64, 32, icon_bitmap(photo())))
    assert [other.name for other in FORMATS if other.begins.match(data)] == [row.name]
    assert begins_as_picture(data[:SIGNATURE_BYTES])


@pytest.mark.parametrize("row", MORE_FORMATS, ids=lambda row: row.name)
def test_more_formats_are_accepted_only_if_they_are_asked_for(row: Format) -> None:
    data = heif_samples.encoded(row.name.lower(), photo().resize((64, 64)))
    assert recognise(data) == (row, data)
    assert not begins_as_picture(data[:SIGNATURE_BYTES])
    assert begins_as_picture(data[:SIGNATURE_BYTES], accepted([row]))
    others = [one for one in MORE_FORMATS if one is not row]
    assert not begins_as_picture(data[:SIGNATURE_BYTES], accepted(others))
    assert accepted(MORE_FORMATS) == (*FORMATS, *MORE_FORMATS)


def test_an_icon_is_unwrapped_as_it_is_recognised() -> None:
    inner = saved(photo().resize((64, 64)), "PNG")
    assert recognise(icon((64, 64, 32, inner))) == (PNG, inner)
    bitmap = icon_bitmap(photo().resize((64, 64)))
    assert recognise(icon((64, 64, 32, bitmap))) == (ICO, bitmap)


@EVERY
def test_the_documentation_has_the_row(row: Format) -> None:
    assert f"| {', '.join(row.names)} | {row.orientation} | {row.integrity} |" in API


def test_the_documentation_names_the_formats_in_order() -> None:
    names = ", ".join(name for row in FORMATS for name in row.names)
    assert f"| formats | {names}, detected from the content" in API


@EVERY
def test_pillow_has_its_decoder(row: Format) -> None:
    Image.init()
    assert not row.plugin or row.plugin in Image.OPEN


def test_the_decision_says_of_each_function_why_it_is_there() -> None:
    rows = re.findall(r"(?m)^\| (`\w+\.py`(?:, `\w+\.py`)*) \| ([\w, ]+) \|", DECISION)
    said = {
        module: set(names.split(", "))
        for modules, names in rows
        for module in re.findall(r"`(\w+)\.py`", modules)
    }
    left_over = set().union(*said.values())
    for path in Path(formats.__file__).parent.glob("[!_]*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert found <= said.get(path.stem, set()), (path.stem, found)
        left_over -= found
    assert not left_over
