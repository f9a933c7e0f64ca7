"""The third-party components that are shipped, with their versions and licences."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from model_build.manifest import load_manifest

ROOT = Path(__file__).parents[1]
SERVICE = "segment-function"

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+).*\n((?:    .*\n)*)", re.MULTILINE)
_NEEDED_BY = re.compile(r"^    # +(?:via +)?(?!via$)([A-Za-z0-9._-]+|-r [A-Za-z-]+\.in)$", re.MULTILINE)
_SWAGGER_PACKAGE = "fastapi-swagger"
_SWAGGER_VERSION = re.compile(r'PACKAGE_VERSION:"([0-9.]+)"')
_PICTURE = re.compile(
    r"^\| `(?P<name>[^`]+)` \| [^|]+ \| (?P<source>[^|]+) \| (?P<licence>[^|]+) \|$", re.MULTILINE
)

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
"""What packages still say in words, by its identifier."""


_WHEELS = {"pi-heif": "LGPL-3.0-only"}
"""Licences of wheels that contain libraries under another one than the package's own."""


class InventoryError(Exception):
    """The data of a component cannot be found; the message names it."""


class Kind(StrEnum):
    """The kind of a component."""

    PACKAGE = "package"
    SCRIPT = "script"
    NETWORK = "network"
    PICTURE = "picture"


@dataclass(frozen=True)
class Component:
    """One part.

    licence: an SPDX expression where there is one, else its author's words.
    needed_by: the packages that bring it, and SERVICE where this project names it itself.
    sha256: of a file that is fetched; packages have theirs in requirements.txt.
    optional: shipped only where somebody asks for it.
    """

    kind: Kind
    name: str
    version: str
    licence: str
    needed_by: tuple[str, ...] = (SERVICE,)
    source: str = ""
    sha256: str | None = None
    optional: bool = False


def shipped() -> tuple[Component, ...]:
    """All of them, in the order of the page. Raises InventoryError."""
    return (*packages(), *optional_packages(), swagger_ui(), *networks(), *pictures())


def packages(requirements: str | None = None) -> tuple[Component, ...]:
    """Those of requirements.txt.

    Raises InventoryError where another version is installed, or a package does not say its licence.
    """
    text = requirements if requirements is not None else (ROOT / "requirements.txt").read_text()
    return tuple(_package(*found.groups()) for found in _PINNED.finditer(text))


def optional_packages() -> tuple[Component, ...]:
    """Those of the files beside it, requirements-heic.txt and the like. Raises InventoryError."""
    always = {one.name for one in packages()}
    files = set(ROOT.glob("requirements-*.txt")) - {ROOT / "requirements-dev.txt"}
    found = (one for file in sorted(files) for one in packages(file.read_text()))
    return tuple(replace(one, optional=True) for one in found if one.name not in always)


def swagger_ui() -> Component:
    """The scripts and styles of `/swagger`. Raises InventoryError when their version cannot be read."""
    package = _installed(_SWAGGER_PACKAGE)
    script = Path(str(package.locate_file("fastapi_swagger/resources/swagger-ui-bundle.js")))
    found = _SWAGGER_VERSION.findall(script.read_text(encoding="utf-8"))
    if not found:
        raise InventoryError(f"{script.name} does not say its version")
    return Component(Kind.SCRIPT, "swagger-ui", found[-1], "Apache-2.0", (_SWAGGER_PACKAGE,))


def networks() -> tuple[Component, ...]:
    """Those that are built without being asked for; their version is that of the package with the weights."""
    return tuple(
        Component(
            Kind.NETWORK,
            network.name,
            getattr(network.source, "version", ""),
            network.licence.weights,
            source=getattr(network.source, "package", ""),
            sha256=network.weights_sha256,
        )
        for network in load_manifest().always.values()
    )


def pictures() -> tuple[Component, ...]:
    """The samples on the page, as docs/pictures.md lists them."""
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    return tuple(
        Component(Kind.PICTURE, found["name"], "", found["licence"], source=found["source"])
        for found in _PICTURE.finditer(text)
    )


def licence_of(package: Distribution) -> str:
    """By its metadata: the expression, the licence field or the classifiers. Raises InventoryError."""
    metadata = package.metadata
    fields = [*(metadata.get_all("License-Expression") or []), *(metadata.get_all("License") or [])]
    classifiers = [str(name) for name in metadata.get_all("Classifier") or []]
    said = [str(field) for field in fields if field and "\n" not in str(field)]
    said += [name.rpartition(" :: ")[2] for name in classifiers if name.startswith("License :: ")]
    if not said:
        raise InventoryError(f"{metadata['Name']} does not say its licence")
    return _SPDX.get(said[0], said[0])


def _package(name: str, version: str, comments: str) -> Component:
    package = _installed(name)
    if package.version != version:
        raise InventoryError(
            f"{name} {version} is pinned, {package.version} is installed: run make .venv/ready"
        )
    needed_by = (SERVICE if found.startswith("-r ") else found for found in _NEEDED_BY.findall(comments))
    licence = _WHEELS.get(name) or licence_of(package)
    return Component(Kind.PACKAGE, name, version, licence, tuple(needed_by))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise InventoryError(f"{name} is not installed: run make .venv/ready") from error
