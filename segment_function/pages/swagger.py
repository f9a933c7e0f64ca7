"""Swagger UI from an installed package, so that `/swagger` loads nothing from other hosts.

The package fastapi-swagger contains the files of Swagger UI. Only these files are used; the package is never
imported.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from segment_function.pages.assets import CSS, HTML, JAVASCRIPT, PNG, Asset, static

_PACKAGE = "fastapi_swagger"

SWAGGER_PAGE = static("swagger.html", HTML)


@cache
def swagger_assets() -> Mapping[str, Asset]:
    """The files below `/swagger/`. Raises ModuleNotFoundError when the package is not installed."""
    resources = _package_folder() / "resources"
    return {
        "swagger-init.js": static("swagger-init.js", JAVASCRIPT),
        "swagger-ui-bundle.js": Asset(resources / "swagger-ui-bundle.js", JAVASCRIPT),
        "swagger-ui.css": Asset(resources / "swagger-ui.css", CSS),
        "favicon-32x32.png": Asset(resources / "favicon-32x32.png", PNG),
    }


def _package_folder() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed", name=_PACKAGE)
    return Path(spec.origin).parent
