"""The templates as the Bicep CLI sees them: no finding, formatted, and evaluated as committed."""

import re
import shutil
from pathlib import Path

import pytest

from tests.infra.cli import HOW_TO_GET_ONE, INFRA, MAIN, SETS, Bicep, find_bicep, findings

FILES = sorted(path for path in INFRA.rglob("*.bicep*") if path.suffix in {".bicep", ".bicepparam"})


def test_lint_finds_nothing(bicep: Bicep) -> None:
    done = bicep("lint", MAIN)
    assert findings(done) == []
    assert done.returncode == 0


def test_build_finds_nothing(bicep: Bicep) -> None:
    done = bicep("build", "--no-restore", "--stdout", MAIN)
    assert findings(done) == []
    assert done.returncode == 0


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates in a folder that may be written to."""
    folder = tmp_path_factory.mktemp("bicep") / "infra"
    return shutil.copytree(INFRA, folder, ignore=shutil.ignore_patterns("hooks", ".checkov"))


def test_files_are_formatted(bicep: Bicep, copy: Path) -> None:
    for pattern in ("**/*.bicep", "**/*.bicepparam"):
        assert bicep("format", "--pattern", copy / pattern).returncode == 0
    assert FILES
    changed = [path for path in FILES if (copy / path.relative_to(INFRA)).read_text() != path.read_text()]
    assert changed == [], "make format-infra"


def test_every_module_is_used() -> None:
    used = set(re.findall(r"modules/[\w-]+\.bicep", MAIN.read_text()))
    assert used == {path.relative_to(INFRA).as_posix() for path in INFRA.glob("modules/*.bicep")}


@pytest.mark.parametrize("parameters", SETS, ids=lambda path: path.stem)
def test_snapshot_is_what_the_template_evaluates_to(parameters: Path, bicep: Bicep) -> None:
    """After a change that is meant: `make snapshots`, and read what it changes."""
    done = bicep.snapshot(parameters)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_snapshots_to_compare() -> None:
    assert {path.stem for path in SETS} >= {"default", "everything", "network", "minimal"}


def test_environment_alone_gives_parameters(bicep: Bicep) -> None:
    """Every line of main.bicepparam is read from the environment, with a default."""
    text = (INFRA / "main.bicepparam").read_text()
    lines = [line for line in text.splitlines() if line.startswith("param ")]
    assert lines
    assert all("readEnvironmentVariable('" in line for line in lines)
    done = bicep("build-params", INFRA / "main.bicepparam", "--stdout")
    assert done.returncode == 0
    assert findings(done) == []


REFUSED = [
    # variable, value, what the sentence names
    ("INSTANCE_MEMORY_MB", "512", "'2048,4096'"),
    ("INSTANCE_MEMORY_MB", "3000", "'2048,4096'"),
    ("MAXIMUM_INSTANCE_COUNT", "0", "greater than or equal to '40'"),
    ("MAXIMUM_INSTANCE_COUNT", "1001", "less than or equal to '1000'"),
    ("ALWAYS_READY_INSTANCES", "-1", "greater than or equal to '0'"),
    ("ALWAYS_READY_INSTANCES", "41", "from 0 to maximumInstanceCount"),
    ("HTTP_CONCURRENCY", "17", "less than or equal to '16'"),
    ("AZURE_LOCATION", "polandcentral", "'westeurope'"),
    ("UPDATE_STRATEGY", "Blue", "'Recreate' | 'RollingUpdate'"),
    ("CUTOUT_MODE", "both", "'backgroundRemoval' | 'foregroundMatting'"),
    ("LOG_RETENTION_DAYS", "29", "greater than or equal to '30'"),
    ("DEVELOPER_ACCESS", "true", "developerAccess needs principalId"),
]


@pytest.mark.parametrize(("variable", "value", "sentence"), REFUSED)
def test_wrong_parameter_is_refused(
    variable: str, value: str, sentence: str, bicep: Bicep, copy: Path
) -> None:
    settings = {"AZURE_PRINCIPAL_ID": "", variable: value}
    done = bicep.snapshot(copy / "main.bicepparam", "overwrite", settings)
    assert done.returncode == 1
    assert sentence in done.stderr + done.stdout


def test_cli_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="BICEP"):
        find_bicep({"BICEP": str(tmp_path / "none")})


def test_without_a_cli_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.infra.cli.BESIDE", tmp_path / "none")
    assert find_bicep({"PATH": str(tmp_path)}) is None
    assert "az bicep install" in HOW_TO_GET_ONE
