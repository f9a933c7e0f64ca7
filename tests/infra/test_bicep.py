"""The templates as the Bicep CLI sees them: no finding, formatted, and evaluated as committed."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.cli import HOW_TO_GET_ONE, INFRA, MAIN, SETS, Bicep, find_bicep, findings, snapshot_of
from tests.infra.evaluator import TemplateRefused

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
    assert changed == [], "bicep format --pattern 'infra/**/*.bicep*'"


def test_every_module_is_used() -> None:
    used = set(re.findall(r"modules/[\w-]+\.bicep", MAIN.read_text()))
    assert used == {path.relative_to(INFRA).as_posix() for path in INFRA.glob("modules/*.bicep")}


@pytest.mark.parametrize("parameters", SETS, ids=lambda path: path.stem)
def test_snapshot_is_what_the_template_evaluates_to(parameters: Path, bicep: Bicep) -> None:
    """After a change that is meant: `make snapshots`, and read what it changes."""
    assert bicep.evaluated(parameters) == snapshot_of(parameters)


def test_there_are_snapshots_to_compare() -> None:
    assert {path.stem for path in SETS} >= {"default", "everything", "network", "minimal"}


REFUSED = [
    # parameter, value, what the sentence names
    ("instanceMemoryMB", 512, "'2048,4096'"),
    ("instanceMemoryMB", 3000, "'2048,4096'"),
    ("maximumInstanceCount", 0, "greater than or equal to '40'"),
    ("maximumInstanceCount", 1001, "less than or equal to '1000'"),
    ("alwaysReadyInstances", -1, "greater than or equal to '0'"),
    ("alwaysReadyInstances", 41, "from 0 to maximumInstanceCount"),
    ("httpConcurrency", 17, "less than or equal to '16'"),
    ("location", "polandcentral", ",westeurope,"),
    ("updateStrategy", "Blue", "'Recreate,RollingUpdate'"),
    ("cutoutMode", "both", "'backgroundRemoval,foregroundMatting'"),
    ("cutoutFormat", "jpeg", "'png,webp,avif'"),
    ("logRetentionDays", 29, "greater than or equal to '30'"),
    ("appSettings", "SEGMENT_URL_INPUT", "NAME=value, separated by semicolons"),
    ("appSettings", "=off", "NAME=value, separated by semicolons"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED)
def test_wrong_parameter_is_refused(
    name: str, value: str | int, sentence: str, bicep: Bicep, copy: Path
) -> None:
    with pytest.raises(TemplateRefused, match=re.escape(sentence)):
        evaluate(bicep, copy / f"{name}-{value}.bicepparam", {name: value})


def test_lists_are_written_as_text(bicep: Bicep, copy: Path) -> None:
    """azd takes text, numbers and booleans to a pipeline, and loses arrays and objects on the way."""
    file = copy / "lists.bicepparam"
    settings = " OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d ;;SEGMENT_REGION=;"
    values = {"corsOrigins": "https://a.example,, https://b.example ", "appSettings": settings}
    evaluated = evaluate(bicep, file, values)
    (site,) = [item for item in evaluated["predictedResources"] if item["type"] == "Microsoft.Web/sites"]
    config = site["properties"]["siteConfig"]
    assert config["cors"]["allowedOrigins"] == ["https://a.example", "https://b.example"]
    made = {item["name"]: item["value"] for item in config["appSettings"]}
    assert made["OTEL_EXPORTER_OTLP_HEADERS"] == "a=b,c=d"
    assert made["SEGMENT_REGION"] == ""


def evaluate(bicep: Bicep, file: Path, values: Mapping[str, str | int]) -> dict[str, Any]:
    """The template with these parameters beside the two that have no default."""
    all_values = {"environmentName": "refused", "location": "westeurope", **values}
    lines = [f"param {name} = any({json.dumps(value)})" for name, value in all_values.items()]
    file.write_text("\n".join(["using 'main.bicep'", *lines]).replace('"', "'"))
    return bicep.evaluated(file)


def test_cli_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="BICEP"):
        find_bicep({"BICEP": str(tmp_path / "none")})


def test_without_a_cli_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.infra.cli.BESIDE", tmp_path / "none")
    monkeypatch.setattr("tests.infra.cli.BY_AZ", tmp_path / "none")
    assert find_bicep({"PATH": str(tmp_path)}) is None
    assert "az bicep install" in HOW_TO_GET_ONE
