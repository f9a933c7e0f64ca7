"""The container for development holds what docs/deploy.md asks for."""

import json
from typing import Any

from tests.support.hosts import PROJECT

CONTAINER: dict[str, Any] = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text())
FEATURES = {name.rpartition(":")[0].rpartition("/")[2] for name in CONTAINER["features"]}


def test_python_is_that_of_the_project() -> None:
    wanted = (PROJECT / ".python-version").read_text().strip()
    assert CONTAINER["image"].rpartition(":")[2] == wanted


def test_programs_of_the_page_are_there() -> None:
    assert {"azd", "azure-cli"} == FEATURES


def test_memory_suffices_for_building_the_networks() -> None:
    """The page says 3 GB for the builder, and 8 GB for Docker."""
    assert CONTAINER["hostRequirements"]["memory"] == "8gb"
    assert "8 GB of memory" in (PROJECT / "docs" / "deploy.md").read_text()


def test_nothing_of_the_container_goes_into_the_package() -> None:
    assert ".*" in (PROJECT / ".funcignore").read_text().splitlines()
