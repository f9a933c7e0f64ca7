"""The storage emulator, and an account in it for each test."""

from collections.abc import Iterator

import pytest

from tests.cutout_function.cloud import Cloud, new_cloud
from tests.support.azurite import azurite


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A connection string."""
    with azurite(tmp_path_factory.mktemp("azurite")) as connection_string:
        yield connection_string


@pytest.fixture
def cloud(emulator: str) -> Cloud:
    return new_cloud(emulator)
