"""The worked example of CONTRIBUTING.md, followed step by step on a copy of the project."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.hosts import PROJECT

TEST = "tests/segment_function/test_doubtful.py"
MODULE = "segment_function/picture_response.py"
TABLE_ENDS = "    ),\n)\n"


def blocks() -> list[str]:
    """The Python of the page, in order."""
    found = re.findall(r"^   ```python\n(.*?)^   ```", (PROJECT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    return [textwrap.dedent(re.sub(r"^   ", "", block, flags=re.M)) for block in found]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("segment_function", "shared_code", "tests/segment_function"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


def run_test(copy: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-o", "pythonpath=.", TEST]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True)


@pytest.mark.slow
def test_the_example_works_as_it_is_written(copy: Path) -> None:
    test, row = blocks()
    (copy / TEST).write_text(test)
    assert run_test(copy).returncode == 1
    module = (copy / MODULE).read_text()
    assert module.count(TABLE_ENDS) == 1
    row = textwrap.indent(row.rstrip() + ",\n", "    ")
    (copy / MODULE).write_text(module.replace(TABLE_ENDS, f"    ),\n{row})\n"))
    done = run_test(copy)
    assert done.returncode == 0, done.stdout
    lint = [sys.executable, "-m", "ruff", "check", "--config", str(PROJECT / "pyproject.toml"), MODULE, TEST]
    checked = subprocess.run(lint, cwd=copy, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
