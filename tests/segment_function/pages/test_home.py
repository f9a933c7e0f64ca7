"""The networks that the page offers."""

import re

import pytest

from segment_function.pages.home import home_page


@pytest.mark.parametrize(
    ("networks", "field", "choices"),
    [
        (["one"], "hidden", [("", "one")]),
        (["one", "two"], "", [("", "one"), (None, "two")]),
        (["<one>"], "hidden", [("", "&lt;one&gt;")]),
    ],
)
def test_networks(networks: list[str], field: str, choices: list[tuple[str | None, str]]) -> None:
    """The default is asked for by asking for none; where there is no choice nobody sees the field."""
    page = home_page(networks).decode()
    found = re.search(
        r'id="network-field" class="field" (\w*)>.*?<select id="network">(.*?)</select>', page, re.S
    )
    assert found is not None
    assert found[1] == field
    options = re.findall(r'<option(?: value="(.*?)")?>(.*?)</option>', found[2])
    assert options == [(value or "", name) for value, name in choices]
