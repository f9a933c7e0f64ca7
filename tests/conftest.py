"""Hosts and data that several tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosts import KEYS, PROJECT, Host, embedded_host


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The embedded host with two keys and otherwise default settings."""
    log = tmp_path_factory.mktemp("host") / "log.txt"
    with embedded_host(log, {"SEGMENT_API_KEYS": ",".join(KEYS)}) as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures beside the project; tests that need them are skipped where they are not."""
    data = PROJECT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs the pictures of ../shared/data")
    return data
