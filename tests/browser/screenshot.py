"""`python -m tests.browser.screenshot`: writes docs/images/page.jpg, the page with the samples' results."""

import io
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser.page import IDLE, RESULT_SHOWN
from tests.browser.webdriver import chromium
from tests.support.hosts import PROJECT, embedded_host

_WIDTH = 1280
_SAMPLES = ("hard", "product", "portrait", "animal")


def main() -> None:
    """Cut out the samples, with the divider of the last one in its middle, down to the row of pictures."""
    logs = Path(tempfile.mkdtemp())
    with (
        embedded_host(logs / "host.txt", {"SEGMENT_ALLOW_ANONYMOUS": "true"}) as host,
        chromium(logs / "chromedriver.txt") as browser,
    ):
        browser.view(_WIDTH)
        browser.open(host.url)
        for name in _SAMPLES:
            browser.click(f"#samples [value={name}]")
            browser.wait_until(f"document.querySelector('#after').alt === 'Cut-out of {name}.jpg'")
            browser.wait_until(f"({IDLE}) && ({RESULT_SHOWN})")
        browser.script("""
            const compare = document.querySelector("#compare");
            compare.value = 40;
            compare.dispatchEvent(new Event("input"));
            scrollTo(0, 0);
        """)
        browser.click("h1")  # so that the pointer is on nothing
        shown = "Math.ceil(document.querySelector('#batch').getBoundingClientRect().bottom) + 24"
        height = int(str(browser.script(f"return {shown}")))
        with Image.open(io.BytesIO(browser.screenshot())) as image:
            image.convert("RGB").crop((0, 0, _WIDTH, height)).save(
                PROJECT / "docs" / "images" / "page.jpg", quality=82, optimize=True, progressive=True
            )


if __name__ == "__main__":
    main()
