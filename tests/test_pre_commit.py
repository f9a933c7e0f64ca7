"""The hooks that git runs before a commit."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.hosts import PROJECT

CONFIG = PROJECT / ".pre-commit-config.yaml"
HOOKS = [hook for repo in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repo["hooks"]]


def test_nothing_is_fetched() -> None:
    assert [repo["repo"] for repo in yaml.safe_load(CONFIG.read_text())["repos"]] == ["local"]
    assert {hook["language"] for hook in HOOKS} == {"system"}


def test_they_are_the_commands_of_make_check() -> None:
    """But for the files, which pre-commit names, and which it would name although they are excluded."""
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = [line.strip().replace("$(RUN)", ".venv/bin/python") for line in recipe[1].splitlines()]
    entries = [hook["entry"].replace(" --force-exclude", " .") for hook in HOOKS]
    assert entries == commands


def run_hooks(folder: Path) -> subprocess.CompletedProcess[str]:
    """On all files of `folder`, without the types, which `make check` looks at."""
    environment = {**os.environ, "PRE_COMMIT_HOME": str(folder / ".cache"), "SKIP": "types,client-types"}
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_they_stop_what_the_checks_find(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text(".cache/\n.venv\n")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in (CONFIG.name, "pyproject.toml"):
        (tmp_path / name).write_bytes((PROJECT / name).read_bytes())
    module = tmp_path / "module.py"
    module.write_text('"""A module."""\n\nimport os\nX=1\n')
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    stopped = run_hooks(tmp_path)
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "F401" in stopped.stdout
    assert stopped.stdout.count("Failed") == 2
    module.write_text('"""A module."""\n\nX = 1\n')
    passed = run_hooks(tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert passed.stdout.count("Passed") == 2
