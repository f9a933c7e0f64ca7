"""What follows from the table of formats: recognition, the tables of docs/api.md."""

import pytest
from PIL import Image

from shared_code.picture.caps import Cap
from shared_code.picture.formats import (
    FORMATS,
    ICO,
    PNG,
    SIGNATURE_BYTES,
    Format,
    begins_as_picture,
    recognise,
)
from tests.shared_code.picture.samples import icon, icon_bitmap, saved
from tests.support.hosts import PROJECT
from tests.support.photos import encoded, photo

API = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)


def number(value: int) -> str:
    return f"{value:,}".replace(",", " ") if value > 999 else str(value)


@ROWS
def test_a_file_is_recognised_by_its_row_alone(row: Format) -> None:
    data = encoded(row.name, 64, 64) if row is not ICO else icon((64, 64, 32, icon_bitmap(photo())))
    assert [other.name for other in FORMATS if other.begins.match(data)] == [row.name]
    assert begins_as_picture(data[:SIGNATURE_BYTES])


def test_an_icon_is_unwrapped_as_it_is_recognised() -> None:
    inner = saved(photo().resize((64, 64)), "PNG")
    assert recognise(icon((64, 64, 32, inner))) == (PNG, inner)
    bitmap = icon_bitmap(photo().resize((64, 64)))
    assert recognise(icon((64, 64, 32, bitmap))) == (ICO, bitmap)


@ROWS
def test_the_documentation_has_the_row(row: Format) -> None:
    caps = "; ".join(f"{number(cap.most)} {cap.what}" for cap in row.caps)
    assert f"| {', '.join(row.names)} | {row.orientation} | {row.integrity} | {caps} |" in API


def test_the_documentation_names_the_formats_in_order() -> None:
    names = ", ".join(name for row in FORMATS for name in row.names)
    assert f"| formats | {names}, detected from the content" in API


@ROWS
def test_every_cap_says_why(row: Format) -> None:
    assert row.caps
    for cap in row.caps:
        assert isinstance(cap, Cap)
        assert cap.reason
        assert cap.most > 0


@ROWS
def test_pillow_has_its_decoder(row: Format) -> None:
    Image.init()
    assert not row.plugin or row.plugin in Image.OPEN
