"""One version, wherever it is named; of /status the tests of the pages."""

import re
import subprocess
import sys

import pytest
import yaml

import segment_client
from shared_code.version import VERSION
from tests.support.hosts import PROJECT

DATE = r"20\d\d-\d\d-\d\d"


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_it_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_client_has_it() -> None:
    assert segment_client.__version__ == VERSION


def test_the_template_has_it() -> None:
    template = yaml.safe_load((PROJECT / "azure.yaml").read_text())["metadata"]["template"]
    assert template == f"segment-function@{VERSION}"


def test_the_changelog_has_it_first() -> None:
    unreleased, newest, *older = headings()
    assert unreleased == "Unreleased"
    assert re.fullmatch(rf"{VERSION}( - {DATE})?", newest)
    assert all(re.fullmatch(rf"\d+\.\d+\.\d+ - {DATE}", heading) for heading in older)


@pytest.mark.slow
@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="not a git checkout")
def test_a_released_version_has_its_date() -> None:
    """The tag is the release."""
    tags = ["git", "tag", "--list", f"v{VERSION}"]
    done = subprocess.run(tags, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not done.stdout or re.fullmatch(rf"{VERSION} - {DATE}", headings()[1])


@pytest.mark.slow
@pytest.mark.parametrize("module", ["local_host", "segment_client"])
def test_commands_tell_it(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.split()[-1] == VERSION


@pytest.mark.slow
def test_spans_and_metrics_tell_it() -> None:
    program = "from telemetry.exporters import _resource; print(_resource().attributes['service.version'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.strip() == VERSION, done.stderr
