"""From a picture to its result, and to an error."""

import json
import re
from pathlib import Path

import httpx
import pytest

from shared_code.errors import AccessDenied, ImageFormatInvalid, UrlNotAccessible
from tests.browser.conftest import HEIGHT, WIDTH
from tests.browser.page import IDLE, RESULT_SHOWN, cut_out, is_hidden, text
from tests.browser.webdriver import Browser
from tests.support.hosts import KEYS, Host

CORNER_AND_CENTRE = f"""
    const canvas = new OffscreenCanvas({WIDTH}, {HEIGHT}).getContext("2d");
    canvas.drawImage(document.querySelector("#after"), 0, 0);
    const pixel = (x, y) => [...canvas.getImageData(x, y, 1, 1).data];
    return JSON.stringify([pixel(0, 0), pixel({WIDTH // 2}, {HEIGHT // 2})]);
"""
GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
GIVE = """
    const transfer = new DataTransfer();
    for (const name of %s) transfer.items.add(new File(["x"], name, { type: "image/png" }));
    document.body.dispatchEvent(new %s);
    return document.querySelector("#chosen").textContent;
"""


@pytest.mark.parametrize(
    ("mode", "file_name"),
    [("backgroundRemoval", "my photo-cutout.png"), ("foregroundMatting", "my photo-matte.png")],
)
def test_photo_is_cut_out(host: Host, browser: Browser, photo_file: Path, mode: str, file_name: str) -> None:
    cut_out(host, browser, [photo_file], mode, KEYS[1])
    browser.wait_until(RESULT_SHOWN)
    assert browser.script("return document.querySelector('#download').download") == file_name
    assert f"{WIDTH} × {HEIGHT}" in text(browser, "#status")
    corner, centre = json.loads(str(browser.script(CORNER_AND_CENTRE)))
    channel = 3 if mode == "backgroundRemoval" else 0
    assert corner[channel] < 32
    assert centre[channel] > 224
    assert text(browser, "#error") == ""
    assert is_hidden(browser, "#backdrop") is (mode == "foregroundMatting")
    assert re.fullmatch(r".*sure.* \(uncertainty [01]\.[0-9]{2}\)", text(browser, "#certainty-words"))
    assert not is_hidden(browser, "#certainty")
    assert browser.console_errors() == []
    assert browser.requested_hosts() == {f"127.0.0.1:{host.port}"}


def test_the_sample_is_cut_out(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.click("#sample")
    browser.wait_until(RESULT_SHOWN)
    assert text(browser, "#chosen") == "coffee.jpg"
    assert "600 × 400" in text(browser, "#status")
    assert browser.console_errors() == []
    assert browser.requested_hosts() == {f"127.0.0.1:{host.port}"}


@pytest.mark.parametrize(
    ("key", "field", "value", "message"),
    [
        ("", "#url", "http://127.0.0.1/a.jpg", AccessDenied.message),
        (KEYS[0], "#url", "http://127.0.0.1/a.jpg", UrlNotAccessible.message),
        (KEYS[0], "#file", __file__, ImageFormatInvalid.message),
    ],
)
def test_errors_are_shown_with_their_request_id(
    host: Host, browser: Browser, key: str, field: str, value: str, message: str
) -> None:
    browser.open(host.url)
    browser.type("#key", key)
    browser.type(field, value)
    browser.click("#send")
    browser.wait_until("document.querySelector('#error').textContent")
    assert text(browser, "#error p") == message
    assert re.fullmatch(f"Request id {GUID}", text(browser, "#error :last-child"))
    for selector in ("#download", "#tools", "#code", "#batch"):
        assert is_hidden(browser, selector)


def test_nothing_is_sent_without_a_picture(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.click("#send")
    assert text(browser, "#error p") == "Choose a picture, or give the URL of one."
    kinds = "performance.getEntriesByType('resource').map((entry) => entry.initiatorType)"
    assert browser.script(f"return {kinds}.includes('script')")
    assert not browser.script(f"return {kinds}.includes('fetch')")


def test_a_dead_service_is_told(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.open(host.url)
    browser.type("#file", str(photo_file))
    browser.script("window.fetch = () => Promise.reject(new TypeError('network down'))")
    browser.click("#send")
    browser.wait_until("document.querySelector('#error').textContent")
    assert text(browser, "#error") == "The service did not answer, or the answer broke off.network down"


def test_a_busy_service_is_asked_again(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.type("#file", str(photo_file))
    browser.script("""
        const real = window.fetch;
        window.calls = 0;
        window.fetch = (request) => {
          window.calls += 1;
          if (window.calls > 2) return real(request);
          return Promise.resolve(new Response("{}", { status: 429, headers: { "Retry-After": "1" } }));
        };
    """)
    browser.click("#send")
    browser.wait_until("document.querySelector('#empty').textContent.includes('busy')")
    browser.wait_until(RESULT_SHOWN)
    assert browser.script("return window.calls") == 3


@pytest.mark.parametrize(
    ("uncertainty", "words"),
    [
        ("0.04", "sure (uncertainty 0.04)"),
        ("0.10", "fairly sure (uncertainty 0.10)"),
        ("0.14", "unsure: look at it (uncertainty 0.14)"),
        ("1.00", "very unsure: look closely (uncertainty 1.00)"),
        ("", None),
    ],
)
def test_how_sure_the_network_is(
    host: Host, browser: Browser, photo_file: Path, uncertainty: str, words: str | None
) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.type("#file", str(photo_file))
    browser.script(f"""
        const real = window.fetch;
        window.fetch = async (request) => {{
          const answer = await real(request);
          const headers = new Headers(answer.headers);
          headers.delete("x-segment-uncertainty");
          if ({json.dumps(uncertainty)}) headers.set("x-segment-uncertainty", {json.dumps(uncertainty)});
          return new Response(answer.body, {{ status: answer.status, headers }});
        }};
    """)
    browser.click("#send")
    browser.wait_until(RESULT_SHOWN)
    if words is None:
        assert is_hidden(browser, "#certainty")
    else:
        assert text(browser, "#certainty-words") == words
        meter = browser.script("return document.querySelector('#uncertainty').value")
        assert meter == min(float(uncertainty), 0.4), "more fills the meter"


@pytest.mark.parametrize(
    ("names", "event", "chosen"),
    [
        (["a.png"], 'DragEvent("drop", { dataTransfer: transfer, bubbles: true })', "a.png"),
        (["a.png", "b.png"], 'DragEvent("drop", { dataTransfer: transfer, bubbles: true })', "2 pictures"),
        (["a.png"], 'ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })', "a.png"),
        ([], 'ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })', None),
    ],
)
def test_pictures_are_dropped_and_pasted(
    host: Host, browser: Browser, names: list[str], event: str, chosen: str | None
) -> None:
    browser.open(host.url)
    before = text(browser, "#chosen")
    assert browser.script(GIVE % (json.dumps(names), event)) == (chosen or before)


def test_a_url_takes_the_place_of_a_file(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.open(host.url)
    before = text(browser, "#chosen")
    browser.type("#file", str(photo_file))
    assert text(browser, "#chosen") == "my photo.png"
    browser.type("#url", "http://127.0.0.1/a.jpg\ue007")  # Return
    browser.wait_until("document.querySelector('#error').textContent")
    browser.wait_until(IDLE)
    assert text(browser, "#chosen") == before


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
