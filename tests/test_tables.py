"""What the tables of modes and formats say, the page, the client and the templates say too."""

import re

import pytest

from segment_client.folder import MAYBE_TAKEN, PICTURES
from segment_client.options import Format as ClientFormat
from segment_client.options import Look
from segment_client.options import Mode as ClientMode
from segment_function.pages.assets import HOME_PAGE
from segment_function.pages.home import home_page
from segment_function.pages.openapi import openapi_json
from shared_code.encode.answer_formats import ANSWER_FORMATS
from shared_code.matte.built import read_catalogue
from shared_code.modes import MODES, Mode
from shared_code.picture.formats import FORMATS, MORE_FORMATS, format_names
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
    assert {ending for row in FORMATS for ending in row.endings} <= PICTURES - MAYBE_TAKEN
    assert {ending for row in MORE_FORMATS for ending in row.endings} == MAYBE_TAKEN


def test_the_page_and_the_api_document_follow_the_formats() -> None:
    every = (*FORMATS, *MORE_FORMATS)
    page, document = home_page(["a"], every).decode(), openapi_json((), "", format_names(every)).decode()
    for row in MORE_FORMATS:
        assert f",{row.media_type}," in page
        assert all(f",{ending}" in page for ending in row.endings)
        for name in row.names:
            assert re.search(rf"\b{name}\b", page)
            assert re.search(rf"\b{name}\b", document)
            assert not re.search(rf"\b{name} or\b|\bor {name}\b", openapi_json((), "").decode())


def test_the_client_transfers_formats_of_the_answer() -> None:
    media_types = {row.media_type for row in ANSWER_FORMATS}
    offered = [form for form in ClientFormat if _is_transferred(form)]
    assert {ClientFormat.PNG, ClientFormat.WEBP} == set(offered)
    assert {f"image/{form}" for form in offered} <= media_types


def _is_transferred(form: ClientFormat) -> bool:
    try:
        return Look(transfer=form).transferred is form
    except ValueError:
        return False


def test_the_template_has_the_formats() -> None:
    bicep = (PROJECT / "infra" / "main.bicep").read_text(encoding="utf-8")
    allowed = re.search(r"@allowed\(\[([^]]*)\]\)\nparam cutoutFormat", bicep)
    assert allowed is not None
    assert re.findall(r"'(\w+)'", allowed[1]) == [row.name for row in ANSWER_FORMATS]
    named = re.search(r"description\('([^']*)'\)\nparam moreFormats", bicep)
    assert named is not None
    assert named[1].endswith(": " + ", ".join(row.name.lower() for row in MORE_FORMATS) + ".")


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
