"""Static files. Tables list every one of them, so the path of a request is never used as a path on disk."""

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
    """A static file and how it is served."""

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
    "backdrop.js": static("backdrop.js", JAVASCRIPT),
    "certainty.js": static("certainty.js", JAVASCRIPT),
    "code_panel.js": static("code_panel.js", JAVASCRIPT),
    "credential.js": static("credential.js", JAVASCRIPT),
    "explain.js": static("explain.js", JAVASCRIPT),
    "icon.svg": static("icon.svg", SVG),
    "kinds.js": static("kinds.js", JAVASCRIPT),
    "modes.js": static("modes.js", JAVASCRIPT),
    "output.js": static("output.js", JAVASCRIPT),
    "result.js": static("result.js", JAVASCRIPT),
    "sample-animal.jpg": static("sample-animal.jpg", JPEG),
    "sample-hard.jpg": static("sample-hard.jpg", JPEG),
    "sample-portrait.jpg": static("sample-portrait.jpg", JPEG),
    "sample-product.jpg": static("sample-product.jpg", JPEG),
    "snippets.js": static("snippets.js", JAVASCRIPT),
    "sources.js": static("sources.js", JAVASCRIPT),
    "stage.js": static("stage.js", JAVASCRIPT),
    "strip.js": static("strip.js", JAVASCRIPT),
    "thumb-animal.jpg": static("thumb-animal.jpg", JPEG),
    "thumb-hard.jpg": static("thumb-hard.jpg", JPEG),
    "thumb-portrait.jpg": static("thumb-portrait.jpg", JPEG),
    "thumb-product.jpg": static("thumb-product.jpg", JPEG),
    "zip.js": static("zip.js", JAVASCRIPT),
    "zoom.js": static("zoom.js", JAVASCRIPT),
}
