import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared_code.errors import AccessDenied, ImageFormatInvalid, UrlNotAccessible
from tests.browser.webdriver import CHROMEDRIVER, CHROMIUM, Browser, chromium
from tests.support.hosts import KEYS, Host
from tests.support.photos import encoded

WIDTH, HEIGHT = 400, 300
RESULT_SHOWN = f"document.querySelector('#picture').naturalWidth === {WIDTH}"
CORNER_AND_CENTRE = f"""
    const canvas = new OffscreenCanvas({WIDTH}, {HEIGHT}).getContext("2d");
    canvas.drawImage(document.querySelector("#picture"), 0, 0);
    const pixel = (x, y) => [...canvas.getImageData(x, y, 1, 1).data];
    return JSON.stringify([pixel(0, 0), pixel({WIDTH // 2}, {HEIGHT // 2})]);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("needs chromium and chromedriver")
    with chromium(tmp_path_factory.mktemp("browser") / "chromedriver.txt") as running:
        yield running


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    path = tmp_path / "my photo.png"
    path.write_bytes(encoded("PNG", WIDTH, HEIGHT))
    return path


@pytest.mark.parametrize(
    ("mode", "file_name"),
    [("backgroundRemoval", "my photo-cutout.png"), ("foregroundMatting", "my photo-matte.png")],
)
def test_photo_is_cut_out(host: Host, browser: Browser, photo_file: Path, mode: str, file_name: str) -> None:
    browser.open(host.url)
    browser.type("#file", str(photo_file))
    browser.click(f"input[value={mode}]")
    browser.type("#key", KEYS[1])
    browser.click("#send")
    browser.wait_until(RESULT_SHOWN)
    browser.wait_until("!document.querySelector('#send').disabled")
    assert browser.script("return document.querySelector('#download').download") == file_name
    assert f"{WIDTH} × {HEIGHT}" in str(
        browser.script("return document.querySelector('#status').textContent")
    )
    corner, centre = json.loads(str(browser.script(CORNER_AND_CENTRE)))
    channel = 3 if mode == "backgroundRemoval" else 0
    assert corner[channel] < 32
    assert centre[channel] > 224
    assert browser.script("return document.querySelector('#error').textContent") == ""
    assert browser.console_errors() == []
    assert browser.requested_hosts() == {f"127.0.0.1:{host.port}"}


@pytest.mark.parametrize(
    ("key", "field", "value", "message"),
    [
        ("", "#url", "http://127.0.0.1/a.jpg", AccessDenied.message),
        (KEYS[0], "#url", "http://127.0.0.1/a.jpg", UrlNotAccessible.message),
        (KEYS[0], "#file", __file__, ImageFormatInvalid.message),
        (KEYS[0], "#key", " ", "Choose a picture, or give the URL of one."),
    ],
)
def test_errors_are_shown(
    host: Host, browser: Browser, key: str, field: str, value: str, message: str
) -> None:
    browser.open(host.url)
    browser.type("#key", key)
    browser.type(field, value)
    browser.click("#send")
    browser.wait_until("document.querySelector('#error').textContent")
    assert browser.script("return document.querySelector('#error p').textContent") == message
    assert browser.script("return document.querySelector('#download').hidden") is True


def test_page_works_from_the_keyboard(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.type("#url", "http://127.0.0.1/a.jpg\ue007")  # Return
    browser.wait_until("document.querySelector('#error').textContent")
    focusable = browser.script(
        "return [...document.querySelectorAll('input, button')].filter((e) => e.tabIndex >= 0)"
        ".map((e) => e.id || e.value).join()"
    )
    assert focusable == "file,url,backgroundRemoval,foregroundMatting,key,send"


def test_every_field_has_a_label(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    assert browser.script("return [...document.querySelectorAll('input')].every((e) => e.labels.length)")


def test_swagger_shows_every_operation(host: Host, browser: Browser) -> None:
    paths = httpx.get(host.url + "/openapi.json", trust_env=False).json()["paths"]
    operations = sorted(operation["operationId"] for path in paths.values() for operation in path.values())
    browser.open(host.url + "/swagger")
    browser.wait_until(f"document.querySelectorAll('.opblock').length === {len(operations)}")
    shown = browser.script(
        "return [...document.querySelectorAll('.opblock')].map((e) => e.id.split('-').pop()).sort().join()"
    )
    assert shown == ",".join(operations)
    browser.click("#operations-segment-segment button")
    browser.wait_until("document.querySelector('#operations-segment-segment input[type=file]')")
    assert browser.console_errors() == []
    assert browser.requested_hosts() == {f"127.0.0.1:{host.port}"}
