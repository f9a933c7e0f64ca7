"""A rehearsed Azure and a laptop for each file, which a worker of its own may run beside the others."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.azd.azure import Azure, rehearsed_azure
from tests.azd.laptop import Laptop, Screen
from tests.azd.person import Person
from tests.azd.program import ARCHIVE, HOW_TO_GET_ONE, find_azd
from tests.functions_host import HOW_TO_GET_ONE as HOW_TO_GET_A_HOST
from tests.functions_host import find_host
from tests.functions_host.program import HostFolder
from tests.infra.cli import HOW_TO_GET_ONE as HOW_TO_GET_BICEP
from tests.infra.cli import find_bicep
from tests.infra.package import clone
from tests.support.azurite import MAIN
from tests.support.hosts import PROJECT


def skip(reason: str) -> NoReturn:
    """Skip with a reason; a failure in CI where azd lies beside the project."""
    if os.environ.get("CI") and ARCHIVE.is_file():
        pytest.fail(f"skipped in CI: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """An empty subscription."""
    bicep = find_bicep()
    if bicep is None:
        skip(HOW_TO_GET_BICEP)
    if not isinstance(find_host(), HostFolder):
        skip(HOW_TO_GET_A_HOST)
    if shutil.which("node") is None or not MAIN.is_file():
        skip("needs Azurite: npm ci --prefix tests/azurite")
    with rehearsed_azure(tmp_path_factory.mktemp("azure"), bicep) as playing:
        yield playing


@pytest.fixture(scope="module")
def laptop(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """A fresh clone."""
    return new_laptop(azure, tmp_path_factory.mktemp("laptop"))


@pytest.fixture(scope="module")
def first(laptop: Laptop) -> Screen:
    """The first `azd up`."""
    return laptop.run("up", "--no-prompt")


@pytest.fixture(scope="module")
def person(azure: Azure) -> Person:
    return Person(azure)


def new_laptop(azure: Azure, folder: Path) -> Laptop:
    """One more fresh clone. Skips where there is no azd, or the networks are not built."""
    azd = find_azd()
    if azd is None:
        skip(HOW_TO_GET_ONE)
    if not (PROJECT / ".venv" / "ready").is_file() or not (PROJECT / "models" / "built").is_dir():
        skip("needs the environment and the networks: make model")
    folder.mkdir(exist_ok=True)
    laptop = Laptop(azd, folder, azure)
    clone(laptop.project)
    return laptop
