"""The Bicep CLI for every test that asks for it, and what the Functions host needs."""

import os

import pytest

from tests.functions_host.conftest import emulator, logs
from tests.infra.cli import BESIDE, HOW_TO_GET_ONE, Bicep, find_bicep

__all__ = ["emulator", "logs"]


@pytest.fixture(scope="session")
def bicep() -> Bicep:
    """The CLI; skips where there is none, and fails where there is one in CI."""
    cli = find_bicep()
    if cli is None:
        if os.environ.get("CI") and BESIDE.exists():
            pytest.fail(f"skipped in CI: {HOW_TO_GET_ONE}")
        pytest.skip(HOW_TO_GET_ONE)
    return cli
