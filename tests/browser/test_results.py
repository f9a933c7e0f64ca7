"""What can be done with a result: compare, put on a background, look closely, take several along."""

import io
import json
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import HEIGHT, WIDTH
from tests.browser.page import RESULT_SHOWN, cut_out, is_hidden, text
from tests.browser.webdriver import Browser
from tests.support.hosts import Host
from tests.support.photos import encoded

RIGHT, END = "\ue014", "\ue010"
_PATIENCE_S = 30


def downloaded(folder: Path, name: str) -> bytes:
    """The file once it is whole; while it is not, it has another name."""
    end = time.monotonic() + _PATIENCE_S
    while not (folder / name).exists():
        assert time.monotonic() < end, sorted(folder.iterdir())
        time.sleep(0.05)
    return (folder / name).read_bytes()


def split(browser: Browser) -> float:
    value = browser.script("return document.querySelector('#frame').style.getPropertyValue('--split')")
    return float(str(value).removesuffix("%"))


def press_at(browser: Browser, fraction: float) -> None:
    browser.script(f"""
        const frame = document.querySelector("#frame");
        frame.setPointerCapture = () => {{}};  // only for pointers that exist
        const {{ left, top, width }} = frame.getBoundingClientRect();
        const place = {{ clientX: left + width * {fraction}, clientY: top + 5, button: 0 }};
        for (const type of ["pointerdown", "pointerup"]) frame.dispatchEvent(new PointerEvent(type, place));
    """)


def test_before_and_after(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until("!document.querySelector('#before').hidden")
    assert split(browser) == 50
    browser.type("#compare", RIGHT * 3)
    assert split(browser) == 53
    browser.type("#compare", END)
    assert split(browser) == 100
    assert browser.script("return document.querySelector('#compare').ariaValueText") == "100 % original"
    press_at(browser, 0.25)
    assert split(browser) == pytest.approx(25, abs=0.5)
    assert browser.script("return document.querySelector('#before').alt") == "my photo.png as it was"
    assert browser.script("return document.querySelector('#after').alt") == "Cut-out of my photo.png"


def test_an_original_that_no_browser_shows(host: Host, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(encoded("TIFF", WIDTH, HEIGHT))
    cut_out(host, browser, [path])
    browser.wait_until("!document.querySelector('#no-before').hidden")
    assert text(browser, "#no-before") == "This browser cannot show the original."
    assert is_hidden(browser, "#compare")
    assert is_hidden(browser, "#before")
    assert split(browser) == 0


def test_zoom(host: Host, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(encoded("JPEG", 2400, 1600))
    cut_out(host, browser, [path])
    browser.wait_until(RESULT_SHOWN)
    shown = "return document.querySelector('#after').getBoundingClientRect().width"
    scrolls = "const { scrollWidth, clientWidth } = document.querySelector('#stage');"
    scrolls += "return scrollWidth > clientWidth"
    assert float(str(browser.script(shown))) < 1000
    assert browser.script(scrolls) is False
    browser.type("#zoom", " ")
    assert browser.script(shown) == 2400
    assert browser.script(scrolls) is True
    assert browser.script("return document.querySelector('#zoom').ariaPressed") == "true"
    assert browser.script("return document.querySelector('#stage').tabIndex") == 0, "the arrow keys scroll it"
    browser.click("#zoom")
    assert float(str(browser.script(shown))) < 1000


@pytest.mark.parametrize(
    ("backdrop", "colour"),
    [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("colour", (18, 52, 86)), ("picture", (200, 10, 20))],
)
def test_a_background_is_shown_and_downloaded(
    host: Host,
    browser: Browser,
    photo_file: Path,
    tmp_path: Path,
    backdrop: str,
    colour: tuple[int, int, int],
) -> None:
    picture = tmp_path / "backdrop.png"
    Image.new("RGB", (50, 90), (200, 10, 20)).save(picture)
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    assert is_hidden(browser, "#download-composed")
    browser.script(
        "document.querySelector('#colour').value = '#123456';"
        "document.querySelector('#colour').dispatchEvent(new Event('input'))"
    )
    browser.click(f"input[value={backdrop}]")
    if backdrop == "picture":
        assert is_hidden(browser, "#download-composed")
        browser.type("#backdrop-file", str(picture))
        browser.wait_until("document.querySelector('#frame').style.backgroundImage")
    else:
        shown = browser.script("return getComputedStyle(document.querySelector('#frame')).backgroundColor")
        assert shown == f"rgb{colour}"
    assert browser.script("return document.querySelector('#frame').classList.contains('checked')") is False
    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.download_to(folder)
    browser.click("#download-composed")
    with Image.open(io.BytesIO(downloaded(folder, "my photo-composed.png"))) as image:
        assert image.size == (WIDTH, HEIGHT)
        assert image.convert("RGBA").getpixel((0, 0)) == (*colour, 255)
    assert browser.console_errors() == []


def thumbs(browser: Browser, property_: str) -> list[str]:
    found = browser.script(
        f"return JSON.stringify([...document.querySelectorAll('.thumb')].map((e) => e.{property_}))"
    )
    listed: list[str] = json.loads(str(found))
    return listed


def with_zip_module(browser: Browser, body: str) -> object:
    return browser.script(f"return import('/static/zip.js').then((zip) => {{ {body} }})")


@pytest.fixture
def batch(tmp_path: Path) -> list[Path]:
    """Two pictures of one name, one with letters of many scripts, and one that is none."""
    files = {
        "a/photo.jpg": encoded("JPEG", 120, 80),
        "b/photo.jpg": encoded("JPEG", 140, 90),
        "été 写真 🏆.png": encoded("PNG", 160, 100),
        "text.png": b"nothing of a picture",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in files]


def test_a_batch(host: Host, browser: Browser, batch: list[Path], tmp_path: Path) -> None:
    cut_out(host, browser, batch)
    assert text(browser, "#counts") == "3 of 4 done, 1 failed"
    assert thumbs(browser, "ariaLabel") == [
        "photo.jpg: done",
        "photo.jpg: done",
        "été 写真 🏆.png: done",
        "text.png: failed",
    ]
    browser.click("#strip li:nth-child(3) button")
    browser.wait_until("document.querySelector('#status').textContent.includes('160 × 100')")
    browser.type("#strip li:nth-child(4) button", " ")
    browser.wait_until("document.querySelector('#error p')")
    assert is_hidden(browser, "#download")

    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.download_to(folder)
    browser.click("#zip")
    sizes = {}
    with zipfile.ZipFile(io.BytesIO(downloaded(folder, "cutouts.zip"))) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            with Image.open(io.BytesIO(archive.read(name))) as image:
                sizes[name] = image.size
                assert image.mode == "RGBA"
    assert sizes == {
        "photo-cutout.png": (120, 80),
        "photo-cutout (2).png": (140, 90),
        "été 写真 🏆-cutout.png": (160, 100),
    }


def test_a_refused_key_ends_a_batch(host: Host, browser: Browser, batch: list[Path]) -> None:
    cut_out(host, browser, batch, key="wrong")
    states = thumbs(browser, "dataset.state")
    assert "failed" in states[:2]
    assert states[2:] == ["stopped", "stopped"]
    assert browser.script("return document.activeElement.id") == "key"
    assert browser.script("return document.activeElement.ariaInvalid") == "true"
    assert browser.script("return document.querySelector('#zip').disabled") is True


def test_a_batch_is_stopped(host: Host, browser: Browser, batch: list[Path]) -> None:
    browser.open(host.url)
    browser.type("#file", "\n".join(map(str, batch)))
    browser.script("""
        window.fetch = ({ signal }) => new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
    """)
    browser.click("#send")
    assert text(browser, "#send") == "Stop"
    assert browser.script("return document.querySelector('#result').ariaBusy") == "true"
    browser.click("#send")
    browser.wait_until("document.querySelector('#send').textContent === 'Cut out'")
    assert text(browser, "#counts") == "0 of 4 done, 4 stopped"
    assert text(browser, "#empty") == "This picture was not cut out: the batch was stopped."


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.png", "a.png", "a.png"], ["a.png", "a (2).png", "a (3).png"]),
        (["a.png", "A.PNG"], ["a.png", "A (2).PNG"]),
        (["a (2).png", "a.png", "a.png"], ["a (2).png", "a.png", "a (3).png"]),
        (["a", "a", ".a", ".a"], ["a", "a (2)", ".a", " (2).a"]),
    ],
)
def test_names_in_the_zip(host: Host, browser: Browser, names: list[str], expected: list[str]) -> None:
    browser.open(host.url)
    unique = with_zip_module(browser, f"return zip.uniqueNames({json.dumps(names)}).join('|')")
    assert unique == "|".join(expected)


def test_a_zip_that_needs_the_64_bit_form_is_refused(host: Host, browser: Browser) -> None:
    browser.open(host.url)
    huge = "{ name: 'a', content: { size: 3e9 } }"
    body = f"return zip.zipOf([{huge}, {huge}]).catch((error) => error.message)"
    message = with_zip_module(browser, body)
    assert message == "more than 4 GB do not fit into one ZIP"
