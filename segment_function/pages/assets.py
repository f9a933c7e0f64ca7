"""Files that are served as they are. Tables name each of them, so no path of a request reaches the disk."""

from dataclasses import dataclass
from pathlib import Path

_STATIC = Path(__file__).parent / "static"

HTML = "text/html; charset=utf-8"
JAVASCRIPT = "text/javascript; charset=utf-8"
CSS = "text/css; charset=utf-8"
JPEG = "image/jpeg"
PNG = "image/png"
SVG = "image/svg+xml"


@dataclass(frozen=True)
class Asset:
    """A file and what it is served as."""

    path: Path
    media_type: str

    def read(self) -> bytes:
        """The whole file."""
        return self.path.read_bytes()


def static(name: str, media_type: str) -> Asset:
    """A file of the `static` folder."""
    return Asset(_STATIC / name, media_type)


HOME_PAGE = static("index.html", HTML)
HOME_ASSETS = {
    "api.js": static("api.js", JAVASCRIPT),
    "app.css": static("app.css", CSS),
    "app.js": static("app.js", JAVASCRIPT),
    "chosen.js": static("chosen.js", JAVASCRIPT),
    "code_panel.js": static("code_panel.js", JAVASCRIPT),
    "coffee.jpg": static("coffee.jpg", JPEG),
    "icon.svg": static("icon.svg", SVG),
    "result.js": static("result.js", JAVASCRIPT),
    "snippets.js": static("snippets.js", JAVASCRIPT),
    "stage.js": static("stage.js", JAVASCRIPT),
    "strip.js": static("strip.js", JAVASCRIPT),
    "zip.js": static("zip.js", JAVASCRIPT),
}
