"""What is shipped, told from the lock, the installed packages, the manifest and the list of pictures."""

import re
from email.message import Message
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import override

import pytest

from inventory.components import (
    SERVICE,
    InventoryError,
    licence_of,
    networks,
    optional_packages,
    packages,
    pictures,
    shipped,
    swagger_ui,
)
from tests.support.hosts import PROJECT

PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "PSF-2.0",
    "Zlib",
}
UNCHANGED_ONLY = {"certifi": "MPL-2.0", "pi-heif": "LGPL-3.0-only"}
"""Copyleft that ends at the package's own files, which are shipped as they are."""


class Described(Distribution):
    """A package with these lines of metadata."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        self._message = Message()
        for name, value in (("Name", "some"), *lines):
            self._message[name] = value

    @property
    @override
    def metadata(self) -> Message:  # type: ignore[override]
        return self._message

    @override
    def read_text(self, filename: str) -> None:
        return None

    @override
    def locate_file(self, path: object) -> Path:
        raise FileNotFoundError(path)


def test_every_pin_is_listed_with_its_version() -> None:
    pins = re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert len(pins) > 50
    assert [(one.name, one.version) for one in packages()] == pins


def test_who_needs_what_is_known() -> None:
    found = {one.name: one for one in packages()}
    named = re.findall(r"^([\w-]+)", (PROJECT / "requirements.in").read_text(), re.MULTILINE)
    assert {name for name, one in found.items() if SERVICE in one.needed_by} == set(named)
    assert all(one.needed_by and set(one.needed_by) <= {SERVICE, *found} for one in found.values())


def test_every_licence_permits_to_ship_it() -> None:
    """A package under another licence is looked at before it comes in."""
    for one in (*packages(), *optional_packages()):
        ids = set(re.findall(r"[\w.-]+", one.licence)) - {"AND", "OR"}
        assert ids <= PERMISSIVE or UNCHANGED_ONLY.get(one.name) == one.licence, one


def test_packages_of_every_other_lock_are_listed() -> None:
    locks = {path.name for path in PROJECT.glob("requirements*.txt")}
    assert locks == {"requirements.txt", "requirements-heic.txt", "requirements-dev.txt"}
    assert [(one.name, one.optional) for one in optional_packages()] == [("pi-heif", True)]


def test_wheels_with_other_licences_are_known() -> None:
    for one in (*packages(), *optional_packages()):
        files = distribution(one.name).files or []
        bundled = [file for file in files if file.name == "LICENSES_bundled.txt"]
        assert not bundled or one.licence == UNCHANGED_ONLY.get(one.name), one


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ([("License-Expression", "MIT AND 0BSD"), ("License", "other")], "MIT AND 0BSD"),
        ([("License", "MIT License")], "MIT"),
        ([("License", "Copyright\nof many lines"), ("Classifier", "License :: OSI Approved :: ISC")], "ISC"),
        ([("Classifier", "Topic :: X"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
    ],
)
def test_licence_by_the_metadata(lines: list[tuple[str, str]], licence: str) -> None:
    assert licence_of(Described(*lines)) == licence


def test_package_without_a_licence_is_named() -> None:
    with pytest.raises(InventoryError, match="some does not say its licence"):
        licence_of(Described(("License", "")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("numpy==0.1 \\\n    # via -r requirements.in\n", "numpy 0.1 is pinned, .* is installed"),
        ("no-such-package==1.0\n", "no-such-package is not installed"),
    ],
)
def test_what_is_pinned_has_to_be_installed(text: str, message: str) -> None:
    with pytest.raises(InventoryError, match=message):
        packages(text)


def test_scripts_of_others_are_swagger_uis() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", swagger_ui().version)
    static = PROJECT / "segment_function" / "pages" / "static"
    ours = {".css", ".html", ".js", ".jpg", ".svg"}
    assert {path.suffix for path in static.iterdir()} == ours, (
        "a font, or another kind of file, has a licence"
    )


def test_networks_and_pictures() -> None:
    assert {one.name: one.licence for one in networks()} == {
        "u2net": "Apache-2.0 (U-2-Net)",
        "u2netp": "Apache-2.0 (U-2-Net)",
    }
    static = PROJECT / "segment_function" / "pages" / "static"
    assert {one.name for one in pictures()} == {path.name for path in static.glob("sample-*.jpg")}


def test_no_name_is_given_twice() -> None:
    names = [one.name for one in shipped()]
    assert len(names) == len(set(names))
