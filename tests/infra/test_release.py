"""A release: its tag, its notes, and the workflow that makes it."""

import hashlib
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from shared_code.version import VERSION
from tests.infra.cli import INFRA
from tests.support.hosts import PROJECT

WORKFLOW = yaml.safe_load((PROJECT / ".github/workflows/release.yml").read_text())


def release(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, INFRA / "release.py", *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_tag_of_the_version() -> None:
    done = release("version", f"v{VERSION}")
    assert (done.returncode, done.stdout) == (0, f"version={VERSION}\n")


@pytest.mark.slow
@pytest.mark.parametrize("tag", [VERSION, f"v{VERSION}.1", f"v{VERSION}-rc1", "main", ""])
def test_another_tag_is_refused(tag: str) -> None:
    done = release("version", tag)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"says {VERSION}: nothing is released" in done.stderr


@pytest.mark.slow
def test_notes(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"package").hexdigest()
    (tmp_path / f"segment-function-{VERSION}.zip.sha256").write_text(
        f"{digest}  segment-function-{VERSION}.zip\n"
    )
    done = release("notes", VERSION, "shop/cut-outs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert digest in done.stdout
    files = f"https://raw.githubusercontent.com/shop/cut-outs/v{VERSION}/infra"
    assert f"uri/{files}/azuredeploy.json/createUIDefinitionUri/{files}/createUiDefinition.json)" in unquote(
        done.stdout
    )
    package = f"releases/download/v{VERSION}/segment-function-{VERSION}.zip"
    assert f"https://github.com/shop/cut-outs/{package}" in done.stdout


@pytest.mark.slow
def test_nothing_is_said_of_a_version_without_changes(tmp_path: Path) -> None:
    (tmp_path / "segment-function-0.0.1.zip.sha256").write_text("0  segment-function-0.0.1.zip\n")
    done = release("notes", "0.0.1", "shop/cut-outs", str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "CHANGELOG.md says nothing of 0.0.1.\n")


def test_only_a_version_tag_that_ci_passed_is_released() -> None:
    assert WORKFLOW[True] == {"push": {"tags": ["v*"]}}
    jobs = WORKFLOW["jobs"]
    assert jobs["ci"] == {"needs": "version", "uses": "./.github/workflows/ci.yml"}
    assert set(jobs["release"]["needs"]) == {"version", "ci"}
    assert [name for name, job in jobs.items() if "permissions" in job] == ["release"]
    assert jobs["release"]["permissions"] == {"contents": "write"}
