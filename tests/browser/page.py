"""What a person does on the page, and sees."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.browser.webdriver import Browser
from tests.support.hosts import KEYS, Host

IDLE = "document.querySelector('#send').textContent === 'Cut out'"
RESULT_SHOWN = "!document.querySelector('#download').hidden"


def cut_out(
    host: Host, browser: Browser, files: Sequence[Path], mode: str = "backgroundRemoval", key: str = KEYS[0]
) -> None:
    """Open the page, choose the pictures, send them, and wait until all are answered."""
    browser.open(host.url)
    browser.type("#file", "\n".join(map(str, files)))
    browser.click(f"input[value={mode}]")
    if key:
        browser.type("#key", key)
    browser.click("#send")
    browser.wait_until(IDLE)


def text(browser: Browser, selector: str) -> str:
    """The text of an element."""
    return str(browser.script(f"return document.querySelector({json.dumps(selector)}).textContent"))


def is_hidden(browser: Browser, selector: str) -> bool:
    """Whether an element, or one that it is in, is not rendered."""
    found = browser.script(f"return document.querySelector({json.dumps(selector)}).checkVisibility()")
    return not found
