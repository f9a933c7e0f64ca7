"""From a picture to its result, and to an error."""

import base64
import json
import re
from pathlib import Path

import pytest

from shared_code.errors import SegmentError, all_errors
from tests.browser.conftest import HEIGHT, WIDTH
from tests.browser.page import FAILED, IDLE, RESULT_SHOWN, choose, counts, cut_out, is_hidden, text
from tests.browser.webdriver import Browser
from tests.support import loopback
from tests.support.campaign import some
from tests.support.hosts import KEYS, Host
from tests.support.issuer import AUDIENCE, STRANGER, Issuer
from tests.support.photos import encoded

CORNER_AND_CENTRE = f"""
    const canvas = new OffscreenCanvas({WIDTH}, {HEIGHT}).getContext("2d");
    canvas.drawImage(document.querySelector("#after"), 0, 0);
    const pixel = (x, y) => [...canvas.getImageData(x, y, 1, 1).data];
    return JSON.stringify([pixel(0, 0), pixel({WIDTH // 2}, {HEIGHT // 2})]);
"""
GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FROM_BASE64 = "((text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))"
PASTE = """
    const transfer = new DataTransfer();
    const file = new File([%s("%s")], "pasted.png", { type: "image/png" });
    transfer.items.add(file);
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
"""
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


@pytest.mark.parametrize(
    ("mode", "file_name"),
    [("backgroundRemoval", "my photo-cutout.png"), ("foregroundMatting", "my photo-matte.png")],
)
def test_photo_is_cut_out(host: Host, browser: Browser, photo_file: Path, mode: str, file_name: str) -> None:
    cut_out(host, browser, [photo_file], mode, KEYS[1])
    browser.wait_until(RESULT_SHOWN)
    assert f"--output '{file_name}'" in text(browser, "#snippet")
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


def test_another_network(host: Host, browser: Browser, photo_file: Path) -> None:
    """One that is not there to judge the first."""
    cut_out(host, browser, [photo_file], "backgroundRemoval", KEYS[1])
    browser.wait_until(RESULT_SHOWN)
    assert not is_hidden(browser, "#network-field")
    assert "model-name" not in text(browser, "#snippet")
    browser.script(
        """
        const choice = document.querySelector("#network");
        choice.value = "u2net";
        choice.dispatchEvent(new Event("change", { bubbles: true }));
        """
    )
    browser.click("#send")
    browser.wait_until('document.querySelector("#snippet").textContent.includes("model-name=u2net")')
    assert text(browser, "#error") == ""


@pytest.mark.parametrize("name", some(("portrait", "product", "animal", "hard"), 1))
def test_a_sample_is_cut_out(default_host: Host, browser: Browser, name: str) -> None:
    browser.open(default_host.url)
    browser.type("#key", KEYS[0])
    browser.click(f"#samples [value={name}]")
    browser.wait_until(RESULT_SHOWN)
    assert text(browser, "#strip .thumb span") == f"{name}.jpg"
    marked = browser.script("return document.querySelector('.thumb').classList.contains('doubtful')")
    assert marked is (name == "hard")
    assert ("unsure" in text(browser, "#certainty-words")) is (name == "hard")
    assert is_hidden(browser, "#network-field")  # the other network is there to judge this one
    assert browser.console_errors() == []
    assert browser.requested_hosts() == {f"127.0.0.1:{default_host.port}"}


@pytest.mark.parametrize(
    ("field", "value", "title", "advice"),
    [
        ("#url", "http://127.0.0.1/a.jpg", "could not fetch", "public"),
        ("#file", b"nothing of a picture", "damaged or not a picture", "save it again as JPEG"),
        ("#file", b"", "empty", "Choose another"),
        ("#file", HEIC, "HEIC is not a format", "Save it as JPEG first"),
        ("#file", b"%PDF-1.7 and so on", "PDF is not a format", "Save it as JPEG"),
        ("#file", b"8BPS\0\1" + bytes(60), "Photoshop is not a format", "Save it as JPEG"),
        ("#file", b"<?xml version='1.0'?>\n<svg xmlns='a'/>", "SVG is not a format", "Save it as JPEG"),
        ("#file", encoded("PNG", 20, 20), "too small or too large", "50 to 16 000 pixels"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else "bytes",
)
def test_failures_stand_on_the_stage_with_what_to_do(
    host: Host, browser: Browser, tmp_path: Path, field: str, value: str | bytes, title: str, advice: str
) -> None:
    if isinstance(value, bytes):
        path = tmp_path / "picture"
        path.write_bytes(value)
        value = str(path)
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.type(field, value + ("\ue007" if field == "#url" else ""))
    browser.wait_until(FAILED)
    assert title in text(browser, "#stage #error strong")
    assert advice in text(browser, "#stage #error span")
    if title != "empty":  # which is not sent
        assert re.search(f"request id {GUID}$", text(browser, "#stage #error small"))
    for selector in ("#download", "#tools", "#code", "#again"):
        assert is_hidden(browser, selector)
    browser.click("#remove")
    assert is_hidden(browser, "#failure")
    assert not is_hidden(browser, "#drop")


def test_a_key_is_asked_for_on_the_stage(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.open(host.url)
    choose(browser, [photo_file, photo_file, photo_file])
    browser.wait_until(FAILED)
    browser.wait_until(IDLE)
    assert text(browser, "#error strong") == "The service asks for a key."
    assert browser.script("return document.activeElement.id") == "key"
    assert browser.script("return document.querySelector('#stage').contains(document.activeElement)")
    browser.type("#key", "wrong\ue007")
    browser.wait_until("document.querySelector('#error strong')?.textContent.includes('know this key')")
    browser.wait_until(IDLE)
    assert browser.script("return document.activeElement.ariaInvalid") == "true"
    browser.script("document.querySelector('#key').value = ''")
    browser.type("#key", KEYS[0])
    browser.click("#ask #send")
    browser.wait_until(RESULT_SHOWN)
    browser.wait_until(IDLE)
    assert counts(browser) == "3 of 3 done"
    assert browser.script("return document.querySelector('#form').contains(document.querySelector('#key'))")
    assert is_hidden(browser, "#send")


def test_a_token_is_asked_for_and_taken_in_the_same_field(
    signed_in: tuple[Host, Issuer], browser: Browser, photo_file: Path
) -> None:
    host, issuer = signed_in
    browser.open(host.url)
    choose(browser, [photo_file])
    browser.wait_until(FAILED)
    assert text(browser, "#error strong") == "The service asks for an access token of Microsoft Entra ID."
    assert f"--resource {AUDIENCE} " in text(browser, "#error")
    for token, title in (
        (issuer.token(issuer.claims(exp=1)), "does not take this access token"),
        (issuer.token(issuer.claims(oid=STRANGER)), "not allowed to use this service"),
        ("a-key", "asks for an access token"),
    ):
        browser.script("document.querySelector('#key').value = ''")
        browser.type("#key", token)
        browser.click("#ask #send")
        browser.wait_until(f"document.querySelector('#error strong')?.textContent.includes('{title}')")
        browser.wait_until(IDLE)
    browser.script("document.querySelector('#key').value = ''")
    browser.type("#key", f"Bearer {issuer.token()}")
    browser.click("#ask #send")
    browser.wait_until(RESULT_SHOWN)
    assert issuer.token() not in text(browser, "#snippet")


def test_a_service_that_died_and_came_back(
    host: Host, browser: Browser, photo_file: Path, tmp_path: Path
) -> None:
    text_file = tmp_path / "notes.txt"
    text_file.write_text("no picture")
    cut_out(host, browser, [photo_file])
    browser.script("""
        window.real = window.fetch;
        window.sent = 0;
        window.fetch = () => Promise.reject(new TypeError('network down'));
    """)
    choose(browser, [photo_file, photo_file, photo_file])
    browser.wait_until(FAILED)
    browser.wait_until(IDLE)
    assert text(browser, "#error strong") == "The service does not answer."
    assert counts(browser).startswith("1 of 4 done, ")
    browser.script("window.fetch = (...all) => { window.sent += 1; return window.real(...all); }")
    browser.click("#retry")
    browser.wait_until("document.querySelector('#counts').textContent.startsWith('4 of 4 done')")
    assert browser.script("return window.sent") == 3, "what was done is not sent again"
    assert is_hidden(browser, "#retry")


def test_a_sample_of_a_dead_service(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.script("window.fetch = () => Promise.reject(new TypeError('network down'))")
    browser.click("#samples [value=product]")
    browser.wait_until(FAILED)
    assert text(browser, "#error strong") == "The sample could not be loaded."
    assert "Once it is back" in text(browser, "#error span")


@pytest.mark.parametrize("error", some({error.id: error for error in all_errors()}, 4))
def test_every_error_of_the_service_is_put_into_words(
    host: Host, browser: Browser, error: SegmentError
) -> None:
    browser.open(host.url)
    answer = f"{json.dumps(error.body().decode())}, {{ status: {error.status} }}"
    browser.script(f"window.fetch = () => Promise.resolve(new Response({answer}))")
    browser.script(PASTE % (FROM_BASE64, base64.b64encode(b"some bytes").decode()))
    browser.wait_until(FAILED)
    title, advice = text(browser, "#error strong"), text(browser, "#error span")
    own = error.id in ("E-MODE", "E-TYPE", "E-404")  # only a mistake of the page could bring these about
    assert (title == "The service refused this picture.") is own
    assert (error.message in title + advice) is own
    assert advice


def test_a_connection_that_breaks_stops_nothing_else(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.script("""
        const real = window.fetch;
        let first = true;
        window.fetch = (...all) => {
          if (!first) return real(...all);
          first = false;
          return Promise.reject(new TypeError("reset"));
        };
    """)
    choose(browser, [photo_file, photo_file, photo_file])
    browser.wait_until(IDLE)
    assert counts(browser) == "2 of 3 done, 1 failed"
    assert text(browser, "#error strong") == "The connection broke off."
    browser.click("#again")
    browser.wait_until(RESULT_SHOWN)


def test_a_busy_service_is_asked_again(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.script("""
        const real = window.fetch;
        window.calls = 0;
        window.fetch = (request) => {
          window.calls += 1;
          if (window.calls > 2) return real(request);
          return Promise.resolve(new Response("{}", { status: 429, headers: { "Retry-After": "1" } }));
        };
    """)
    choose(browser, [photo_file])
    browser.wait_until("document.querySelector('#note').textContent.includes('busy')")
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
    choose(browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    marked = browser.script("return document.querySelector('.thumb').classList.contains('doubtful')")
    assert marked is (words is not None and "unsure" in words)
    if words is None:
        assert is_hidden(browser, "#certainty")
    else:
        assert text(browser, "#certainty-words") == words
        meter = browser.script("return document.querySelector('#uncertainty').value")
        assert meter == min(float(uncertainty), 0.4), "more fills the meter"


def names(browser: Browser) -> list[str]:
    shown = browser.script(
        "return JSON.stringify([...document.querySelectorAll('.thumb span')].map((e) => e.textContent))"
    )
    listed: list[str] = json.loads(str(shown))
    return listed


def test_a_picture_that_is_dropped_anywhere_is_cut_out(
    host: Host, browser: Browser, photo_file: Path
) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.drop([photo_file], 1100, 700)
    browser.wait_until(RESULT_SHOWN)
    assert names(browser) == ["my photo.png"]


def test_a_picture_that_is_pasted_is_cut_out(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    content = base64.b64encode(encoded("PNG", WIDTH, HEIGHT)).decode()
    browser.script(PASTE % (FROM_BASE64, content))
    browser.wait_until(RESULT_SHOWN)
    assert names(browser) == ["pasted.png"]


def test_an_address_that_is_pasted_is_fetched(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.script("""
        const transfer = new DataTransfer();
        transfer.setData("text/plain", "http://127.0.0.1/pictures/cup%20one.jpg");
        document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
    """)
    browser.wait_until(FAILED)
    assert names(browser) == ["cup one.jpg"]


def test_a_folder_is_walked(host: Host, browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    (folder / "day 2").mkdir(parents=True)
    (folder / "day 10").mkdir()
    for name in ("a.jpg", "day 2/b.jpg", "day 10/c.jpg"):
        (folder / name).write_bytes(encoded("JPEG", 120, 80))
    (folder / "day 2" / "d.heic").write_bytes(HEIC)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.jpg").write_bytes(b"")
    browser.open(host.url)
    browser.type("#key", KEYS[0])
    browser.drop([folder])
    browser.wait_until(RESULT_SHOWN)
    browser.wait_until(IDLE)
    assert names(browser) == ["a.jpg", "b.jpg", "d.heic", "c.jpg"]
    assert counts(browser) == "3 of 4 done, 1 failed, 2 other files left out"


def test_a_folder_without_pictures(host: Host, browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    browser.open(host.url)
    browser.drop([folder])
    browser.wait_until(FAILED)
    assert text(browser, "#error strong") == "There is no picture in that folder."
    browser.script("document.querySelector('#file').click = () => { window.asked = true }")
    browser.click("#choose")
    assert browser.script("return window.asked") is True


def test_what_is_added_is_shown_and_what_is_removed_is_gone(
    host: Host, browser: Browser, photo_file: Path
) -> None:
    cut_out(host, browser, [photo_file])
    browser.click("#samples [value=product]")
    browser.wait_until("document.querySelector('#after').alt === 'Cut-out of product.jpg'")
    browser.wait_until(IDLE)
    assert names(browser) == ["my photo.png", "product.jpg"]
    browser.click("#strip li:nth-child(2) .remove")
    browser.wait_until("document.querySelector('#after').alt === 'Cut-out of my photo.png'")
    assert names(browser) == ["my photo.png"]
    browser.click("#clear")
    assert not is_hidden(browser, "#drop")
    assert is_hidden(browser, "#batch")


def test_other_options_cut_out_again(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    assert is_hidden(browser, "#send")
    browser.click("input[value=foregroundMatting]")
    assert text(browser, "#send") == "Cut out again"
    browser.click("#send")
    browser.wait_until("document.querySelector('#after').alt === 'Matte of my photo.png'")
    assert is_hidden(browser, "#send")


def test_a_visit_loads_no_sample(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    names = browser.script("return performance.getEntriesByType('resource').map(({ name }) => name).join()")
    assert "thumb-portrait.jpg" in str(names)
    assert "sample-" not in str(names)


def test_swagger_shows_every_operation(host: Host, browser: Browser) -> None:
    paths = loopback.get(host.url + "/openapi.json").json()["paths"]
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
