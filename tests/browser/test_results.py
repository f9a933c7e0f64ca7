"""What can be done with a result: compare, put on a background, look closely, take several along."""

import io
import json
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import HEIGHT, WIDTH
from tests.browser.page import FAILED, IDLE, RESULT_SHOWN, choose, counts, cut_out, is_hidden, text
from tests.browser.webdriver import Browser
from tests.support import loopback
from tests.support.hosts import KEYS, Host
from tests.support.patience import wait_for
from tests.support.photos import encoded

RIGHT, END = "\ue014", "\ue010"


def downloaded(folder: Path, name: str) -> bytes:
    """The file once it is whole; while it is not, it has another name."""
    wait_for((folder / name).exists)
    return (folder / name).read_bytes()


def split(browser: Browser) -> float:
    value = browser.script("return document.querySelector('#frame').style.getPropertyValue('--split')")
    return float(str(value).removesuffix("%"))


def box(browser: Browser, selector: str) -> dict[str, float]:
    """left, top, width and height of an element in the window."""
    element = f"document.querySelector({json.dumps(selector)})"
    shown = browser.script(f"return JSON.stringify({element}.getBoundingClientRect())")
    found: dict[str, float] = json.loads(str(shown))
    return found


def place(browser: Browser, x: float, y: float = 0.5) -> tuple[int, int]:
    """The point of the window that is at these fractions of the picture."""
    frame = box(browser, "#frame")
    return round(frame["left"] + x * frame["width"]), round(frame["top"] + y * frame["height"])


def test_before_and_after(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until("!document.querySelector('#before').hidden")
    browser.wait_until(RESULT_SHOWN)
    assert split(browser) == 0, "the whole result first"
    browser.type("#compare", RIGHT * 3)
    assert split(browser) == 3
    browser.type("#compare", END)
    assert split(browser) == 100
    assert browser.script("return document.querySelector('#compare').ariaValueText") == "100 % original"
    browser.mouse(place(browser, 0.25))
    assert split(browser) == pytest.approx(25, abs=0.5), "a click brings it there"
    browser.mouse(place(browser, 0.26), place(browser, 0.5), place(browser, 0.75))
    assert split(browser) == pytest.approx(75, abs=0.5), "near it, it is pulled"
    browser.touch([place(browser, 0.3)], [place(browser, 0.4)])
    assert split(browser) == pytest.approx(40, abs=0.5)
    assert browser.script("return document.querySelector('#before').alt") == "my photo.png as it was"
    assert browser.script("return document.querySelector('#after').alt") == "Cut-out of my photo.png"


def test_a_first_visit_moves_the_divider_once(host: Host, browser: Browser, photo_file: Path) -> None:
    browser.view(1280, reduced_motion=False)
    browser.open(host.url)
    browser.script("""
        localStorage.clear();
        window.farthest = 0;
        new MutationObserver(() => {
          const split = parseFloat(document.querySelector("#frame").style.getPropertyValue("--split"));
          const done = !document.querySelector("#download").hidden;
          if (done) window.farthest = Math.max(window.farthest, split);
        }).observe(document.querySelector("#frame"), { attributes: true });
    """)
    browser.type("#key", KEYS[0])
    choose(browser, [photo_file])
    browser.wait_until("window.farthest > 50")
    browser.wait_until("document.querySelector('#frame').style.getPropertyValue('--split') === '0%'")
    browser.script("window.farthest = 0")
    choose(browser, [photo_file])
    browser.wait_until(IDLE)
    browser.wait_until(RESULT_SHOWN)
    time.sleep(1)
    assert browser.script("return window.farthest") == 0


def test_an_original_that_no_browser_shows(host: Host, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(encoded("TIFF", WIDTH, HEIGHT))
    cut_out(host, browser, [path])
    browser.wait_until("!document.querySelector('#no-before').hidden")
    assert text(browser, "#no-before") == "This browser cannot show the original."
    assert is_hidden(browser, "#compare")
    assert is_hidden(browser, "#before")
    assert split(browser) == 0


@pytest.fixture
def off_centre(default_host: Host, browser: Browser, tmp_path: Path) -> Path:
    """A picture of 1600 by 1200 pixels whose subject is in its lower right quarter, cut out on the page."""
    picture = Image.new("RGB", (1600, 1200), (230, 235, 240))
    with Image.open(io.BytesIO(encoded("PNG", 500, 400, "coffee.png"))) as cup:
        picture.paste(cup, (1000, 700))
    path = tmp_path / "off centre.png"
    picture.save(path)
    cut_out(default_host, browser, [path])
    browser.wait_until(RESULT_SHOWN)
    return path


def zoom(browser: Browser) -> str:
    return text(browser, "#zoom")


def middle(browser: Browser) -> tuple[float, float]:
    """The place in the picture, in fractions, that is seen in the middle of the stage."""
    stage, frame = box(browser, "#stage"), box(browser, "#frame")
    x = (stage["left"] + stage["width"] / 2 - frame["left"]) / frame["width"]
    return x, (stage["top"] + stage["height"] / 2 - frame["top"]) / frame["height"]


@pytest.mark.usefixtures("off_centre")
def test_zoom_goes_in_steps_from_the_middle_of_the_subject(browser: Browser) -> None:
    assert zoom(browser) == "Fit"
    width = box(browser, "#after")["width"]
    assert width < 1000
    assert box(browser, "#stage")["width"] >= width
    steps = []
    while browser.script("return !document.querySelector('#zoom-in').disabled"):
        browser.click("#zoom-in")
        steps.append(zoom(browser))
        x, y = middle(browser)
        assert x == pytest.approx(0.78, abs=0.08)
        assert y == pytest.approx(0.75, abs=0.08)
    assert steps == ["100 %", "200 %", "400 %"]
    assert box(browser, "#after")["width"] == 6400
    browser.click("#zoom-out")
    assert zoom(browser) == "200 %"
    browser.click("#zoom")
    assert zoom(browser) == "Fit"
    assert box(browser, "#after")["width"] == width
    browser.click("#zoom")
    assert zoom(browser) == "100 %"
    assert box(browser, "#after")["width"] == 1600


@pytest.mark.usefixtures("off_centre")
def test_zoom_by_keys(browser: Browser) -> None:
    browser.script("document.querySelector('#stage').focus()")
    for key, shown in [("+", "100 %"), ("+", "200 %"), ("-", "100 %"), ("0", "Fit"), ("1", "100 %")]:
        browser.press(key)
        assert zoom(browser) == shown
    before = middle(browser)
    browser.press("\ue013")  # arrow up
    browser.wait_until(f"document.querySelector('#stage').scrollTop !== {before[1]}")


@pytest.mark.usefixtures("off_centre")
def test_zoom_by_wheel_keeps_what_is_under_it(browser: Browser) -> None:
    x, y = place(browser, 0.8, 0.8)
    browser.wheel(x, y, -120)
    browser.wait_until("document.querySelector('#zoom').textContent === '100 %'")
    assert place(browser, 0.8, 0.8) == pytest.approx((x, y), abs=2)
    browser.wheel(x, y, -30, ctrl=True)
    browser.wait_until("document.querySelector('#zoom').textContent === '200 %'")
    for _ in range(2):
        browser.wheel(x, y, 120)
    browser.wait_until("document.querySelector('#zoom').textContent === 'Fit'")
    browser.wheel(x, y, 300)
    browser.wait_until("scrollY > 0")
    assert zoom(browser) == "Fit", "below the fitted size the wheel scrolls the page"


@pytest.mark.usefixtures("off_centre")
def test_zoom_by_pinch(browser: Browser) -> None:
    x, y = place(browser, 0.7, 0.7)

    def apart(*gaps: int) -> list[list[tuple[int, int]]]:
        return [[(x - gap, y), (x + gap, y)] for gap in gaps]

    browser.touch(*apart(40, 50, 60))
    assert zoom(browser) == "100 %"
    browser.touch(*apart(40, 60, 90))
    assert zoom(browser) == "400 %"
    browser.touch(*apart(90, 65, 45, 33))
    assert zoom(browser) == "Fit"


def choose_backdrop(browser: Browser, backdrop: str, picture: Path) -> None:
    browser.script(
        "document.querySelector('#colour').value = '#123456';"
        "document.querySelector('#colour').dispatchEvent(new Event('input'))"
    )
    browser.script("document.querySelector('#backdrop-file').click = () => {}")  # it would wait
    browser.click(f"input[value={backdrop}]")
    if backdrop == "picture":
        Image.new("RGB", (50, 90), (200, 10, 20)).save(picture)
        browser.type("#backdrop-file", str(picture))
        browser.wait_until("document.querySelector('#frame').style.backgroundImage")


@pytest.fixture
def downloads(browser: Browser, tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.download_to(folder)
    return folder


CLEAR = None
BACKDROPS = [
    ("transparent", CLEAR),
    ("white", (255, 255, 255)),
    ("black", (0, 0, 0)),
    ("colour", (18, 52, 86)),
    ("picture", (200, 10, 20)),
]


@pytest.mark.parametrize(("backdrop", "colour"), BACKDROPS)
def test_a_background_is_shown_and_downloaded(
    host: Host,
    browser: Browser,
    photo_file: Path,
    tmp_path: Path,
    downloads: Path,
    backdrop: str,
    colour: tuple[int, int, int] | None,
) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    choose_backdrop(browser, backdrop, tmp_path / "backdrop.png")
    if colour and backdrop != "picture":
        shown = browser.script("return getComputedStyle(document.querySelector('#frame')).backgroundColor")
        assert shown == f"rgb{colour}"
    checked = browser.script("return document.querySelector('#frame').classList.contains('checked')")
    assert checked is (colour is CLEAR)
    for format_, ending, pillow in [("png", "png", "PNG"), ("jpeg", "jpg", "JPEG"), ("webp", "webp", "WEBP")]:
        browser.click(f"#format [value={format_}]")
        browser.click("#download")
        with Image.open(io.BytesIO(downloaded(downloads, f"my photo-cutout.{ending}"))) as image:
            assert (image.format, image.size) == (pillow, (WIDTH, HEIGHT))
            corner = image.convert("RGBA").getpixel((0, 0))
        assert isinstance(corner, tuple)
        if colour is CLEAR and format_ != "jpeg":
            assert corner[3] == 0
        else:
            expected = (*(colour or (255, 255, 255)), 255)
            assert corner == (expected if format_ == "png" else pytest.approx(expected, abs=4))
    assert browser.console_errors() == []


def test_a_webp_is_the_service_s_own(host: Host, browser: Browser, photo_file: Path, downloads: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    browser.click("#format [value=webp]")
    browser.click("#download")
    own = loopback.post(
        f"{host.url}/computervision/imageanalysis:segment",
        params={"api-version": "2023-02-01-preview", "mode": "backgroundRemoval"},
        headers={"Ocp-Apim-Subscription-Key": KEYS[0], "Accept": "image/webp"},
        content=photo_file.read_bytes(),
    )
    assert own.headers["content-type"] == "image/webp"
    assert downloaded(downloads, "my photo-cutout.webp") == own.content


def test_jpeg_says_that_it_has_no_transparency(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    browser.click("#format [value=jpeg]")
    assert text(browser, "#format-note") == "JPEG has no transparency: the background will be white."
    browser.click("input[value=black]")
    assert text(browser, "#format-note") == ""


def test_a_result_is_copied(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    browser.click("input[value=black]")
    for permission in ("clipboard-read", "clipboard-write"):
        browser.allow(permission, host.url)
    browser.click("#copy-picture")
    browser.wait_until("document.querySelector('#format-note').textContent === 'Copied as PNG'")
    corner = browser.script("""
        return navigator.clipboard.read().then(async ([item]) => {
          const bitmap = await createImageBitmap(await item.getType("image/png"));
          const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
          context.drawImage(bitmap, 0, 0);
          return [bitmap.width, bitmap.height, ...context.getImageData(0, 0, 1, 1).data].join();
        });
    """)
    assert corner == f"{WIDTH},{HEIGHT},0,0,0,255"


def test_a_result_is_dragged_out(host: Host, browser: Browser, photo_file: Path) -> None:
    cut_out(host, browser, [photo_file])
    browser.wait_until(RESULT_SHOWN)
    browser.click("input[value=white]")
    browser.click("#format [value=jpeg]")
    browser.script("""
        window.dragged = null;
        document.addEventListener("dragstart", (event) => {
          window.dragged = event.dataTransfer.getData("DownloadURL");
        });
    """)
    browser.wait_until("document.querySelector('#download').checkVisibility()")

    def drag() -> str:
        browser.script("window.dragged = null;")
        browser.mouse(place(browser, 0.5), place(browser, 0.6), place(browser, 0.7))
        browser.wait_until("window.dragged !== null")
        return str(browser.script("return window.dragged"))

    dragged = wait_for(drag)  # the file is made when the format is chosen
    assert dragged.startswith(f"image/jpeg:my photo-cutout.jpg:blob:{host.url}/")
    width = browser.script(f"""
        const image = new Image();
        image.src = {json.dumps(dragged.partition(".jpg:")[2])};
        return image.decode().then(() => image.naturalWidth);
    """)
    assert width == WIDTH
    assert browser.script("return document.querySelectorAll('.remove').length") == 1, "its fall adds nothing"


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


def test_a_batch(host: Host, browser: Browser, batch: list[Path], downloads: Path) -> None:
    cut_out(host, browser, batch)
    assert counts(browser) == "3 of 4 done, 1 failed"
    assert [label.partition(",")[0] for label in thumbs(browser, "ariaLabel")] == [
        "photo.jpg: done",
        "photo.jpg: done",
        "été 写真 🏆.png: done",
        "text.png: failed",
    ]
    browser.click("#strip li:nth-child(3) .thumb")
    browser.wait_until("document.querySelector('#status').textContent.includes('160 × 100')")
    browser.type("#strip li:nth-child(4) .thumb", " ")
    browser.wait_until(FAILED)
    assert is_hidden(browser, "#download")

    browser.click("#zip")
    sizes = {}
    with zipfile.ZipFile(io.BytesIO(downloaded(downloads, "cutouts.zip"))) as archive:
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


def test_a_zip_has_the_chosen_background_and_format(
    host: Host, browser: Browser, batch: list[Path], downloads: Path
) -> None:
    cut_out(host, browser, batch[:2])
    browser.wait_until(RESULT_SHOWN)
    browser.click("input[value=black]")
    browser.click("#format [value=webp]")
    browser.click("#zip")
    with zipfile.ZipFile(io.BytesIO(downloaded(downloads, "cutouts.zip"))) as archive:
        assert archive.namelist() == ["photo-cutout.webp", "photo-cutout (2).webp"]
        for name in archive.namelist():
            with Image.open(io.BytesIO(archive.read(name))) as image:
                assert image.format == "WEBP"
                assert image.convert("RGBA").getpixel((0, 0)) == pytest.approx((0, 0, 0, 255), abs=4)


def test_a_refused_key_ends_a_batch(host: Host, browser: Browser, batch: list[Path]) -> None:
    cut_out(host, browser, batch, key="wrong")
    states = thumbs(browser, "dataset.state")
    assert "failed" in states[:2]
    assert states[2:] == ["stopped", "stopped"]
    assert browser.script("return document.querySelector('#zip').disabled") is True


def test_a_batch_is_stopped(host: Host, browser: Browser, batch: list[Path]) -> None:
    browser.open(host.url)
    browser.script("""
        window.fetch = ({ signal }) => new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
    """)
    choose(browser, batch)
    assert browser.script("return document.querySelector('#result').ariaBusy") == "true"
    browser.click("#stop")
    browser.wait_until(IDLE)
    assert counts(browser) == "0 of 4 done, 4 stopped"
    assert text(browser, "#error strong") == "This picture was not cut out."


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
