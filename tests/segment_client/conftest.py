"""Another host with the quick network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosts import Host, embedded_host
from tests.support.small_host import SETTINGS


@pytest.fixture(scope="session")
def open_host(tmp_path_factory: pytest.TempPathFactory, quick_app: Path) -> Iterator[Host]:
    """One that wants no key."""
    settings = {**SETTINGS, "SEGMENT_API_KEYS": "", "SEGMENT_ALLOW_ANONYMOUS": "true"}
    with embedded_host(tmp_path_factory.mktemp("open_host") / "log.txt", settings, quick_app) as running:
        yield running
