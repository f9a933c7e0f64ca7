"""One version, wherever it is named; of /status the tests of the pages."""

import re
import subprocess
import sys

import pytest
import yaml

import segment_client
from shared_code.version import VERSION
from tests.support.hosts import PROJECT


def test_it_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_client_has_it() -> None:
    assert segment_client.__version__ == VERSION


def test_the_template_has_it() -> None:
    template = yaml.safe_load((PROJECT / "azure.yaml").read_text())["metadata"]["template"]
    assert template == f"segment-function@{VERSION}"


def test_the_changelog_has_it_first() -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", VERSION]


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
