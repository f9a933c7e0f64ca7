"""`python -m tests.browser.screenshot`: writes docs/images/page.jpg, the page with the sample's result."""

import io
import json
import re
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser.page import RESULT_SHOWN, text
from tests.browser.webdriver import chromium
from tests.support.hosts import PROJECT, embedded_host

_LOCAL_RUN = "127.0.0.1:7071"


def main() -> None:
    """Cut out the sample at 1280 pixels."""
    logs = Path(tempfile.mkdtemp())
    with (
        embedded_host(logs / "host.txt", {"SEGMENT_ALLOW_ANONYMOUS": "true"}) as host,
        chromium(logs / "chromedriver.txt") as browser,
    ):
        browser.view(1280)
        browser.open(host.url)
        browser.click("#samples [value=animal]")
        browser.wait_until(f"({RESULT_SHOWN}) && !document.querySelector('#before').hidden")
        code = re.sub(r"127\.0\.0\.1:\d+", _LOCAL_RUN, text(browser, "#snippet"))
        browser.script(f"document.querySelector('#snippet').textContent = {json.dumps(code)}")
        browser.click("h1")  # so that the pointer is on nothing
        with Image.open(io.BytesIO(browser.screenshot())) as image:
            image.convert("RGB").save(
                PROJECT / "docs" / "images" / "page.jpg", quality=82, optimize=True, progressive=True
            )


if __name__ == "__main__":
    main()
