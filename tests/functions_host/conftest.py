"""One host that most tests share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functions_host import HOW_TO_GET_ONE, Instance, find_host, functions_host
from tests.functions_host.needed import skip
from tests.support.azurite import azurite
from tests.support.hosts import KEYS
from tests.support.patience import PATIENCE_S

SETTINGS = {
    "SEGMENT_API_KEYS": ",".join(KEYS),
    "SEGMENT_MODEL": "u2netp",
    "SEGMENT_SLOT_WAIT_S": str(PATIENCE_S),
    "SEGMENT_URL_INPUT": "off",
}


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the hosts' logs, which pytest keeps when a test fails; skips where there is no host."""
    if find_host() is None:
        skip(HOW_TO_GET_ONE)
    return tmp_path_factory.mktemp("functions-host")


@pytest.fixture(scope="session")
def instance(logs: Path, quick_app: Path) -> Iterator[Instance]:
    """The host with two keys, the quick network and without image URLs."""
    with functions_host(logs / "shared.txt", SETTINGS, quick_app) as running:
        yield running


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a storage emulator."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(azurite(tmp_path_factory.mktemp("azurite")))
        except pytest.skip.Exception as skipped:
            skip(str(skipped))
