"""The Bicep CLI: where it is found, and the calls the tests make of it.

`python -m tests.infra.cli snapshots` evaluates every parameter set anew, `... azuredeploy` builds the
template of the Deploy to Azure button.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.evaluator import Evaluator, Scope, environment
from tests.support.hosts import PROJECT

INFRA = PROJECT / "infra"
MAIN = INFRA / "main.bicep"
SETS = sorted((INFRA / "snapshots").glob("*.bicepparam"))
BY_AZ = Path.home() / ".azure" / "bin" / "bicep"
"""Where `az bicep install` puts it."""
BESIDE = PROJECT.parent / "shared" / "tools" / "bicep"
HOW_TO_GET_ONE = (
    "needs the Bicep CLI: install it so that `bicep` is on the path, run `az bicep install`, "
    "or let BICEP name the program (docs/deploy.md)"
)
SCOPE = Scope("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001", "westeurope")
"""What the committed snapshots are evaluated for."""
GATEWAY = INFRA / "gateway" / "example.bicepparam"
"""Of a template of its own, for a resource group."""


@dataclass(frozen=True)
class Bicep:
    """The CLI."""

    program: str

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return subprocess.run(
            [self.program, *map(str, arguments)], env=environment(), capture_output=True, text=True
        )

    def build(self, template: Path) -> dict[str, Any]:
        """The template as Azure Resource Manager takes it. Raises RuntimeError with what was found."""
        built: dict[str, Any] = json.loads(_built(self, template))
        return built

    def evaluated(self, parameters: Path, scope: Scope = SCOPE) -> dict[str, Any]:
        """What a template makes with a parameter file. Raises TemplateRefused."""
        if parameters == GATEWAY:
            scope = replace(scope, group="rg-example")
        return _evaluator(self.program).snapshot(parameters, scope)


@cache
def _evaluator(program: str) -> Evaluator:
    """One for all tests of a worker."""
    evaluator = Evaluator(program)
    atexit.register(evaluator.close)
    return evaluator


@cache
def _built(bicep: Bicep, template: Path) -> str:
    done = bicep("build", "--no-restore", "--stdout", template)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def find_bicep(environment: Mapping[str, str] = os.environ) -> Bicep | None:
    """The first there is. Raises FileNotFoundError when BICEP names none."""
    named = environment.get("BICEP")
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"BICEP: there is no {named}")
        return Bicep(named)
    path = environment.get("PATH")
    program = shutil.which("bicep", path=path)
    if program:
        return Bicep(program)
    return next((Bicep(str(path)) for path in (BY_AZ, BESIDE) if path.is_file()), None)


def findings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Warnings and errors it printed; notes of level info are left out."""
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if " : Warning " in line or " : Error " in line]


@cache
def snapshot_of(parameters: Path) -> dict[str, Any]:
    """The committed evaluation of a parameter set."""
    content: dict[str, Any] = json.loads(_snapshot(parameters).read_text())
    return content


def _snapshot(parameters: Path) -> Path:
    return parameters.with_suffix(".snapshot.json")


def resources(parameters: Path, kind: str) -> Sequence[dict[str, Any]]:
    """The evaluated resources of a type."""
    return [item for item in snapshot_of(parameters)["predictedResources"] if item["type"] == kind]


def main(what: str) -> None:
    """Write what is committed anew."""
    bicep = find_bicep()
    if bicep is None:
        sys.exit(HOW_TO_GET_ONE)
    if what == "azuredeploy":
        done = bicep("build", "--no-restore", "--outfile", INFRA / "azuredeploy.json", MAIN)
        sys.exit(done.stderr if done.returncode else None)
    for parameters in (*SETS, GATEWAY):
        made, committed = bicep.evaluated(parameters), _snapshot(parameters)
        # Not when only the order of the outputs is another, as it is each time.
        if not committed.is_file() or made != snapshot_of(parameters):
            committed.write_text(json.dumps(made, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
