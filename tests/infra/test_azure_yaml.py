"""What azd reads, and the hook it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator

from tests.support.hosts import PROJECT

HOOK = PROJECT / "infra" / "hooks" / "prepackage.py"


@pytest.fixture(scope="module")
def azure_yaml() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROJECT / "azure.yaml").read_text())
    return content


def test_azure_yaml_follows_the_schema(azure_yaml: dict[str, Any]) -> None:
    schema = PROJECT.parent / "shared" / "data" / "schemas" / "azure.yaml.json"
    if not schema.is_file():
        pytest.skip("needs azd's schema, ../shared/data/schemas/azure.yaml.json")
    errors = list(Draft201909Validator(json.loads(schema.read_text())).iter_errors(azure_yaml))
    assert errors == []


def test_files_are_where_azd_looks(azure_yaml: dict[str, Any]) -> None:
    infra = PROJECT / azure_yaml["infra"]["path"]
    assert (infra / f"{azure_yaml['infra']['module']}.bicep").is_file()
    assert (infra / f"{azure_yaml['infra']['module']}.parameters.json").is_file()
    service = azure_yaml["services"]["api"]
    assert (PROJECT / service["project"] / service["hooks"]["prepackage"]["run"]) == HOOK
    for hook in (*azure_yaml["hooks"].values(), *service["hooks"].values()):
        assert (PROJECT / hook["run"]).is_file()


def test_hook_keeps_azd_from_installing_the_app() -> None:
    """azd installs the nearest requirements.txt or pyproject.toml at or above a hook."""
    lines = HOOK.with_name("requirements.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    assert not HOOK.with_name("pyproject.toml").exists()


@pytest.mark.slow
def test_platform_builds_nothing(azure_yaml: dict[str, Any]) -> None:
    """Its build has installed with Pythons that the app does not run on."""
    assert azure_yaml["services"]["api"]["remoteBuild"] is False


@pytest.mark.slow
def test_hook_names_the_python_it_needs(tmp_path: Path) -> None:
    project = tmp_path / "project"
    copy = project / "infra" / "hooks" / HOOK.name
    copy.parent.mkdir(parents=True)
    for file in HOOK.parent.glob("*.py"):
        (copy.parent / file.name).write_bytes(file.read_bytes())
    (project / ".python-version").write_text("3.99\n")
    (project / "requirements-dev.txt").write_text("")
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, copy], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs Python 3.99" in done.stderr
    assert "Traceback" not in done.stderr
