"""What a person does on the page, and sees."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tests.browser.webdriver import Browser
from tests.support.hosts import KEYS, Host

IDLE = "document.querySelector('#stop').hidden"
FAILED = "!document.querySelector('#failure').hidden"
RESULT_SHOWN = "!document.querySelector('#download').hidden"


def cut_out(
    host: Host, browser: Browser, files: Sequence[Path], mode: str = "backgroundRemoval", key: str = KEYS[0]
) -> None:
    """Open the page, choose the pictures, and wait until all are answered."""
    browser.open(host.url)
    browser.click(f"input[value={mode}]")
    if key:
        browser.type("#key", key)
    choose(browser, files)
    browser.wait_until(IDLE)


def choose(browser: Browser, files: Sequence[Path]) -> None:
    """Choose the pictures on the open page, which sends them."""
    browser.type("#file", "\n".join(map(str, files)))


def text(browser: Browser, selector: str) -> str:
    """The text of an element."""
    return str(browser.script(f"return document.querySelector({json.dumps(selector)}).textContent"))


def counts(browser: Browser) -> str:
    """How far the pictures are, without how many the network is unsure of."""
    return re.sub(r", \d+ to look at", "", text(browser, "#counts"))


def is_hidden(browser: Browser, selector: str) -> bool:
    """Whether an element, or one that it is in, is not rendered."""
    found = browser.script(f"return document.querySelector({json.dumps(selector)}).checkVisibility()")
    return not found
