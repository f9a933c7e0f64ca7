"""The page under axe-core, and by the keyboard alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.page import FAILED, RESULT_SHOWN, choose, cut_out
from tests.browser.webdriver import Browser
from tests.support.campaign import some
from tests.support.hosts import KEYS, Host
from tests.support.photos import encoded

_AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = [1280, 640, 320]  # 640 is 1280 at 200 %
TAB = "\ue004"


@pytest.fixture(scope="module")
def axe() -> str:
    if not _AXE.is_file():
        pytest.skip("needs axe-core: npm ci --prefix tests/browser")
    return _AXE.read_text(encoding="utf-8")


def violations(browser: Browser, axe: str) -> list[str]:
    if not browser.script("return Boolean(window.axe)"):
        browser.script(axe)
    found = browser.script("""
        return axe.run().then(({ violations }) => JSON.stringify(violations.flatMap(({ id, nodes }) =>
          nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`))));
    """)
    listed: list[str] = json.loads(str(found))
    return listed


def empty(host: Host, browser: Browser, _files: list[Path]) -> None:
    browser.open(host.url)


def result(host: Host, browser: Browser, files: list[Path]) -> None:
    cut_out(host, browser, files[:1])
    browser.wait_until(RESULT_SHOWN)
    browser.script("document.querySelector('#certainty').hidden = false")


def zoomed(host: Host, browser: Browser, files: list[Path]) -> None:
    result(host, browser, files)
    browser.click("input[value=picture]")
    browser.click("#zoom-in")


def batch(host: Host, browser: Browser, files: list[Path]) -> None:
    cut_out(host, browser, files)
    browser.wait_until(RESULT_SHOWN)
    browser.click("input[value=black]")


def error(host: Host, browser: Browser, files: list[Path]) -> None:
    cut_out(host, browser, files)
    browser.click("#strip li:nth-child(3) .thumb")
    browser.wait_until(FAILED)


def key_wanted(host: Host, browser: Browser, files: list[Path]) -> None:
    cut_out(host, browser, files, key="")
    browser.wait_until(FAILED)


def doubtful(host: Host, browser: Browser, _files: list[Path]) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.click("#samples [value=hard]")
    browser.wait_until(RESULT_SHOWN)


def busy(host: Host, browser: Browser, files: list[Path]) -> None:
    browser.open(host.url)
    browser.script("window.fetch = () => new Promise(() => {})")
    choose(browser, files)


@pytest.mark.parametrize("state", [empty, result, zoomed, batch, error, key_wanted, doubtful, busy])
@pytest.mark.parametrize("width", some(WIDTHS, 1))
def test_axe_finds_nothing(
    host: Host,
    browser: Browser,
    axe: str,
    tmp_path: Path,
    state: Callable[[Host, Browser, list[Path]], None],
    width: int,
) -> None:
    """In the light colours and in the dark ones."""
    files = [tmp_path / name for name in ("one.jpg", "two.png", "none.txt")]
    for path, content in zip(files, (encoded("JPEG", 300, 200), encoded("PNG", 90, 80), b"x"), strict=True):
        path.write_bytes(content)
    browser.view(width)
    state(host, browser, files)
    fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    for dark in (False, True):
        browser.view(width, dark=dark)
        assert violations(browser, axe) == [], f"{dark=}"
        assert browser.script(fits), "the page scrolls sideways"


def test_axe_would_find_something(host: Host, browser: Browser, axe: str) -> None:
    browser.open(host.url)
    browser.script("document.querySelector('#key').labels[0].replaceWith(document.querySelector('#key'))")
    assert any(found.startswith("label:") for found in violations(browser, axe))


def focus_order(browser: Browser) -> list[str]:
    """What the Tab key reaches, from the first link to the end of the page."""
    browser.script("document.querySelector('a').focus()")
    order: list[str] = []
    while name := browser.script("""
        const { id, value, textContent, localName } = document.activeElement;
        return localName === "body" ? "" : id || value || textContent.trim();
    """):
        order.append(str(name))
        browser.press(TAB)
    return order


def test_everything_is_reached_by_the_keyboard(host: Host, browser: Browser, photo_file: Path) -> None:
    links = ["API description", "OpenAPI document", "Readiness"]
    samples = ["portrait", "product", "animal", "hard"]
    form = [*samples, "url", "fetch", "folder", "backgroundRemoval", "network", "key"]
    browser.open(host.url)
    assert focus_order(browser) == [*links, "file", *form]
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    result = ["stage", "compare", "zoom", "zoom-in", "transparent", "colour"]
    below = ["format", "copy-picture", "download", "clear", "zip"]
    strip = ["my photo.png", "×", "+ Add"]
    code = ["copy", "tab-curl", "code-panel"]
    assert focus_order(browser) == links + result + below + strip + form + code


@pytest.mark.usefixtures("photo_file")
def test_the_page_is_used_by_the_keyboard_alone(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.type("#url", "http://127.0.0.1/a.jpg\ue007")  # Return
    browser.wait_until(FAILED)
    assert browser.script("return document.querySelector('#error').role") == "alert"
    browser.script("document.querySelector('#samples button').focus()")
    browser.press("\ue007")
    browser.wait_until(RESULT_SHOWN)
    browser.script("document.querySelector('.thumb[aria-current=true]').focus()")
    browser.press("\ue017")  # Delete
    assert browser.script("return document.querySelectorAll('.remove').length") == 1
    assert browser.script("return document.activeElement.classList.contains('add')")


def test_every_field_has_a_name(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    assert browser.script(
        "return [...document.querySelectorAll('input')].every((e) => e.labels.length || e.ariaLabel)"
    )
