"""What the tables of modes and formats say, the page, the client and the templates say too."""

import re

import pytest

from segment_client.folder import PICTURES
from segment_client.options import Mode as ClientMode
from segment_function.pages.assets import HOME_PAGE
from segment_function.pages.openapi import openapi_json
from shared_code.encode.answer_formats import ANSWER_FORMATS
from shared_code.matte.built import read_catalogue
from shared_code.modes import MODES, Mode
from shared_code.picture.formats import FORMATS
from tests.support.hosts import PROJECT

VALUES = {mode.value for mode in Mode}


def test_every_mode_has_a_row() -> None:
    assert MODES.keys() == set(Mode)


@pytest.mark.slow
@pytest.mark.parametrize("mode", Mode)
def test_the_network_of_a_mode_is_built(mode: Mode) -> None:
    network = MODES[mode].network
    assert network is None or network in read_catalogue().networks


def test_the_client_has_the_modes() -> None:
    assert {mode.value for mode in ClientMode} == VALUES


def test_the_client_takes_files_of_every_format() -> None:
    assert {ending for row in FORMATS for ending in row.endings} <= PICTURES


def test_the_page_has_the_modes() -> None:
    html = HOME_PAGE.path.read_text(encoding="utf-8")
    assert set(re.findall(r'name="mode" value="(\w+)" data-kind="[^"]+" data-word="\w+"', html)) == VALUES


def test_the_docs_have_the_formats_of_the_answer() -> None:
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    document = openapi_json((), "").decode()
    for row in ANSWER_FORMATS:
        quality = f"`SEGMENT_{row.name.upper()}_QUALITY`" if row.whole else ""
        assert re.search(rf"^\| `{row.media_type}` \|.*\| {quality} ?\| \w", page, re.MULTILINE)
        assert f"`{row.media_type}`: {row.description}" in document


def test_the_template_offers_no_other() -> None:
    bicep = (PROJECT / "infra" / "main.bicep").read_text(encoding="utf-8")
    allowed = re.search(r"@allowed\(\[([^]]*)\]\)\nparam cutoutMode", bicep)
    assert allowed is not None
    assert set(re.findall(r"'(\w+)'", allowed[1])) <= VALUES


def test_the_api_document_has_modes_and_formats() -> None:
    document = openapi_json((), "").decode()
    for row in FORMATS:
        for name in row.names:
            assert re.search(rf"\b{name}\b", document)
    for mode, product in MODES.items():
        assert f"`{mode}`: {product.description}" in document
