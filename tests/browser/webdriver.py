"""A headless Chromium driven over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support import loopback
from tests.support.hosts import free_port, wait_until_up
from tests.support.patience import PATIENCE_S, wait_for

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")

_FLAGS = [
    "--headless",
    "--no-sandbox",  # it refuses to run as root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",  # they would take width in one screenshot and none in another
    "--window-size=1280,900",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key that WebDriver gives references to elements (section 12.2)."""


class Browser:
    """One window of a browser."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client = client
        self._session = session

    def open(self, url: str) -> None:
        """Go to a page, and forget what was logged before."""
        self._log("browser")
        self._log("performance")
        self._command("url", {"url": url})

    def script(self, body: str) -> object:
        """What the body of a JavaScript function returns, or its promise comes to."""
        return self._command("execute/sync", {"script": body, "args": []})

    def wait_until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true. Raises TimeoutError."""
        try:
            wait_for(lambda: self.script(f"return Boolean({expression})"))
        except TimeoutError as error:
            page = self.script("return document.body.innerText")
            raise TimeoutError(f"{expression}; the page says: {page}") from error

    def click(self, selector: str) -> None:
        """Click an element."""
        self._command(f"element/{self._element(selector)}/click", {})

    def view(self, width: int, height: int = 900, *, dark: bool = False, reduced_motion: bool = True) -> None:
        """Be a window of that size, in CSS pixels, with that colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {
            "name": "prefers-reduced-motion",
            "value": "reduce" if reduced_motion else "no-preference",
        }
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme, motion]})

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        size = self._devtools("Page.getLayoutMetrics", {})["cssContentSize"]
        shot = {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        return base64.b64decode(self._devtools("Page.captureScreenshot", shot)["data"])

    def download_to(self, folder: Path) -> None:
        """Keep what the page downloads in that folder."""
        self._devtools("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def type(self, selector: str, text: str) -> None:
        """Type into a field, or choose the file of a file input by its path."""
        self._command(f"element/{self._element(selector)}/value", {"text": text})

    def drop(self, paths: Sequence[Path], x: int = 300, y: int = 300) -> None:
        """Drop files and folders on that place of the window."""
        files = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._devtools("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": files})

    def wheel(self, x: int, y: int, delta: int, *, ctrl: bool = False) -> None:
        """Turn the wheel there; below 0 is away from the person. With ctrl it is a touchpad's pinch."""
        turn = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": delta}
        self._devtools("Input.dispatchMouseEvent", {**turn, "modifiers": 2 if ctrl else 0})

    def mouse(self, *places: tuple[int, int]) -> None:
        """Press the left button at the first place, pull it through the others, and let go."""
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 50} for x, y in places]
        buttons = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        actions = [moves[0], buttons[0], *moves[1:], buttons[1]]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self._command("actions", {"actions": [source]})

    def touch(self, *steps: Sequence[tuple[int, int]]) -> None:
        """Put as many fingers down as the first step has, move them through the others, and lift them."""
        for number, places in enumerate(steps):
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            kind = "touchMove" if number else "touchStart"
            self._devtools("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self._devtools("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def allow(self, permission: str, origin: str) -> None:
        """Grant a permission that a person would be asked for."""
        setting = {"permission": {"name": permission}, "setting": "granted", "origin": origin}
        self._devtools("Browser.setPermission", setting)

    def press(self, key: str) -> None:
        """Press a key wherever the focus is."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._command("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def console_errors(self) -> list[str]:
        """What the console shows as errors since `open`."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE"]

    def requested_hosts(self) -> set[str]:
        """`host:port` of everything the page asked for over the network since `open`."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        urls = [
            urlsplit(event["params"]["request"]["url"])
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return {url.netloc for url in urls if url.scheme not in ("blob", "data")}

    def _devtools(self, command: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        value = self._command("goog/cdp/execute", {"cmd": command, "params": parameters})
        assert isinstance(value, dict)
        return value

    def _element(self, selector: str) -> str:
        found = self._command("element", {"using": "css selector", "value": selector})
        assert isinstance(found, dict)
        return str(found[_ELEMENT])

    def _log(self, kind: str) -> list[dict[str, str]]:
        entries = self._command("se/log", {"type": kind})
        assert isinstance(entries, list)
        return entries

    def _command(self, path: str, parameters: dict[str, object]) -> object:
        response = self._client.post(f"{self._session}/{path}", json=parameters)
        value: object = response.json()["value"]
        assert response.is_success, value
        return value


@contextmanager
def chromium(log: Path) -> Iterator[Browser]:
    """A new browser with an empty profile, closed at the end."""
    port = free_port()
    with log.open("wb") as output:
        driver = subprocess.Popen(
            [str(CHROMEDRIVER), f"--port={port}"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(f"{url}/status", driver, log)
        with loopback.client(url) as client:
            created = client.post("/session", json={"capabilities": {"alwaysMatch": _capabilities()}}).json()
            assert "sessionId" in created["value"], created
            session = f"/session/{created['value']['sessionId']}"
            try:
                yield Browser(client, session)
            finally:
                client.delete(session).raise_for_status()  # else the browser outlives its driver
    finally:
        driver.terminate()
        driver.wait()


def _capabilities() -> dict[str, object]:
    return {
        "browserName": "chrome",
        "timeouts": {"script": PATIENCE_S * 1000},
        "goog:chromeOptions": {"binary": CHROMIUM, "args": _FLAGS},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
