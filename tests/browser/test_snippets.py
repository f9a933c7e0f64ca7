"""The code that the page gives to copy, run as it is."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from shared_code.errors import AccessDenied, UrlNotAccessible
from tests.browser.conftest import HEIGHT, WIDTH
from tests.browser.csharp import csharp_programs
from tests.browser.page import RESULT_SHOWN, cut_out, text
from tests.browser.webdriver import Browser
from tests.functions_host.needed import skip
from tests.functions_host.program import HOW_TO_GET_ONE, HostFolder, find_host
from tests.support import loopback
from tests.support.hosts import KEYS, Host
from tests.support.issuer import Issuer
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded

END, LEFT, RIGHT = "\ue010", "\ue012", "\ue014"
ODD_NAME = 'it\'s "odd" $HOME é.png'
RUNNERS = {
    "curl": ["bash", "-e"],
    "python": [sys.executable, "-"],
    "javascript": ["node", "--input-type=module"],
}
MODES = {"backgroundRemoval": ("cutout", "RGBA"), "foregroundMatting": ("matte", "L")}


def snippet(browser: Browser, language: str) -> str:
    browser.click(f"#tab-{language}")
    assert browser.script(f"return document.querySelector('#tab-{language}').ariaSelected") == "true"
    return text(browser, "#snippet")


def run(
    language: str, code: str, folder: Path, key: str = KEYS[0], token: str = ""
) -> subprocess.CompletedProcess[str]:
    program = RUNNERS[language]
    if shutil.which(program[0]) is None or shutil.which("curl") is None:
        pytest.skip(f"needs {program[0]} and curl")
    lets_in = {"SEGMENT_KEY": key, "SEGMENT_TOKEN": token}
    variables = os.environ | lets_in | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return subprocess.run(
        program, input=code, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.mark.parametrize("language", RUNNERS)
@pytest.mark.parametrize("mode", MODES)
def test_code_does_what_the_page_did_and_survives_a_refusal(
    host: Host, browser: Browser, tmp_path: Path, language: str, mode: str
) -> None:
    (tmp_path / ODD_NAME).write_bytes(encoded("PNG", WIDTH, HEIGHT))
    cut_out(host, browser, [tmp_path / ODD_NAME], mode)
    browser.wait_until(RESULT_SHOWN)
    code = snippet(browser, language)
    assert KEYS[0] not in code
    ending, image_mode = MODES[mode]
    output = tmp_path / f"{ODD_NAME.removesuffix('.png')}-{ending}.png"

    refused = run(language, code, tmp_path, key="wrong")
    assert refused.returncode != 0
    assert AccessDenied.message in refused.stdout + refused.stderr
    assert not output.exists()

    done = run(language, code, tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(output.read_bytes())) as image:
        assert (image.size, image.mode) == ((WIDTH, HEIGHT), image_mode)


URL = 'http://127.0.0.1/a "b"/it\'s.jpg'


def of_a_url(host: Host, browser: Browser, language: str, credential: str = "key") -> str:
    """The code for a picture at URL."""
    browser.open(host.url)
    call = json.dumps({"input": "", "url": URL, "output": "out.png", "credential": credential})
    return str(
        browser.script(f"""
            return Promise.all([import("/static/api.js"), import("/static/snippets.js")]).then(
              ([{{ target }}, {{ snippet }}]) => {{
                const endpoint = new URL(target({{ mode: "foregroundMatting" }}), location.href).href;
                return snippet("{language}", {{ ...{call}, endpoint }});
              }},
            );
        """)
    )


@pytest.mark.parametrize("language", RUNNERS)
def test_code_for_a_url_shows_the_services_error(
    host: Host, browser: Browser, tmp_path: Path, language: str
) -> None:
    done = run(language, of_a_url(host, browser, language), tmp_path)
    assert done.returncode != 0
    assert UrlNotAccessible.message in done.stdout + done.stderr
    assert not (tmp_path / "out.png").exists()


def test_csharp_does_what_the_page_did(host: Host, browser: Browser, tmp_path: Path) -> None:
    functions_host = find_host()
    if not isinstance(functions_host, HostFolder):
        skip(HOW_TO_GET_ONE)
    (tmp_path / ODD_NAME).write_bytes(encoded("PNG", WIDTH, HEIGHT))
    cut_out(host, browser, [tmp_path / ODD_NAME])
    browser.wait_until(RESULT_SHOWN)
    file = snippet(browser, "csharp")
    wrong_key = file.replace('Environment.GetEnvironmentVariable("SEGMENT_KEY")', '"wrong"')
    programs = {"file": file, "url": of_a_url(host, browser, "csharp"), "refused": wrong_key}
    with csharp_programs(functions_host, programs, tmp_path, {"SEGMENT_KEY": KEYS[0]}) as url:
        answers = {name: loopback.get(f"{url}/{name}") for name in programs}
    assert (answers["file"].status_code, answers["file"].text) == (200, "")
    with Image.open(tmp_path / f"{ODD_NAME.removesuffix('.png')}-cutout.png") as image:
        assert (image.size, image.mode) == ((WIDTH, HEIGHT), "RGBA")
    assert answers["url"].status_code == 200
    assert UrlNotAccessible.message in answers["url"].text
    assert AccessDenied.message in answers["refused"].text


def test_tabs_work_from_the_keyboard(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    focused = "return document.activeElement.textContent"
    steps = [
        ("#tab-curl", RIGHT, "Python"),
        ("#tab-python", LEFT, "curl"),
        ("#tab-curl", LEFT, "JavaScript"),
        ("#tab-javascript", RIGHT, "curl"),
        ("#tab-curl", END, "JavaScript"),
    ]
    for selector, key, expected in steps:
        browser.type(selector, key)
        assert browser.script(focused) == expected
        assert browser.script("return document.querySelectorAll('[role=tab][tabindex=\"0\"]').length") == 1
    assert 'from "node:fs/promises"' in text(browser, "#snippet")


def test_code_is_copied(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    browser.script("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    browser.click("#copy")
    browser.wait_until("document.querySelector('#copied').textContent === 'Copied'")
    assert browser.script("return window.copied") == text(browser, "#snippet")
    browser.script("navigator.clipboard.writeText = async () => { throw new Error() }")
    browser.click("#copy")
    browser.wait_until("document.querySelector('#copied').textContent.startsWith('Selected')")
    assert browser.script("return getSelection().toString()") == text(browser, "#snippet").strip()


@pytest.mark.parametrize("language", [*RUNNERS, "csharp"])
def test_a_call_without_a_key_reads_none(host: Host, browser: Browser, language: str) -> None:
    assert "SEGMENT_KEY" in of_a_url(host, browser, language)
    without = of_a_url(host, browser, language, "")
    assert "SEGMENT_KEY" not in without
    assert "Authorization" not in without


@pytest.mark.parametrize("language", RUNNERS)
def test_code_of_one_who_signed_in(
    signed_in: tuple[Host, Issuer], browser: Browser, tmp_path: Path, photo_file: Path, language: str
) -> None:
    """It sends the token of a variable of its own, and is told when that is none."""
    host, issuer = signed_in
    cut_out(host, browser, [photo_file], key=issuer.token())
    browser.wait_until(RESULT_SHOWN)
    browser.click(f"#tab-{language}")
    code = text(browser, "#snippet")
    assert "SEGMENT_TOKEN" in code
    assert "SEGMENT_TOKEN" in text(browser, "#key-note")
    assert "Subscription-Key" not in code
    done = run(language, code, tmp_path, token=issuer.token())
    assert done.returncode == 0, done.stderr
    refused = run(language, code, tmp_path, token="x")
    assert refused.returncode != 0
    assert "Unauthorized. Access token is missing" in refused.stdout + refused.stderr
