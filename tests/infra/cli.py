"""The Bicep CLI: where it is found, and the calls the tests make of it.

`python -m tests.infra.cli snapshots` evaluates every parameter set anew, `... azuredeploy` builds the
template of the Deploy to Azure button.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.hosts import PROJECT

INFRA = PROJECT / "infra"
MAIN = INFRA / "main.bicep"
SETS = sorted((INFRA / "snapshots").glob("*.bicepparam"))
BESIDE = PROJECT.parent / "shared" / "tools" / "bicep"
HOW_TO_GET_ONE = (
    "needs the Bicep CLI: install it so that `bicep` is on the path, run `az bicep install`, "
    "or let BICEP name the program (docs/deploy.md)"
)
# Subscription, tenant and region that the committed snapshots are evaluated for.
_PLACE = [
    *("--subscription-id", "00000000-0000-0000-0000-000000000000"),
    *("--tenant-id", "00000000-0000-0000-0000-000000000001"),
    *("--location", "westeurope"),
]


@dataclass(frozen=True)
class Bicep:
    """A command that is the CLI."""

    command: tuple[str, ...]

    def __call__(
        self, *arguments: str | Path, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it. `settings` are variables that parameter files read."""
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            env={"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **os.environ, **(settings or {})},
            capture_output=True,
            text=True,
        )

    def build(self, template: Path) -> dict[str, Any]:
        """The template as Azure Resource Manager takes it. Raises RuntimeError with what was found."""
        built: dict[str, Any] = json.loads(_built(self, template))
        return built

    def snapshot(
        self, parameters: Path, mode: str = "validate", settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Evaluate the template with a parameter file; `validate` compares with the snapshot beside it."""
        return self("snapshot", parameters, "--mode", mode, *_PLACE, settings=settings)


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
        return Bicep((named,))
    path = environment.get("PATH")
    program = shutil.which("bicep", path=path)
    if program:
        return Bicep((program,))
    az = shutil.which("az", path=path)
    if az and subprocess.run([az, "bicep", "version"], capture_output=True).returncode == 0:
        return Bicep((az, "bicep"))
    return Bicep((str(BESIDE),)) if BESIDE.is_file() else None


def findings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Warnings and errors it printed; notes of level info are left out."""
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if " : Warning " in line or " : Error " in line]


@cache
def snapshot_of(parameters: Path) -> dict[str, Any]:
    """The committed evaluation of a parameter set."""
    content: dict[str, Any] = json.loads(parameters.with_suffix(".snapshot.json").read_text())
    return content


def resources(parameters: Path, kind: str) -> Sequence[dict[str, Any]]:
    """The evaluated resources of a type."""
    return [item for item in snapshot_of(parameters)["predictedResources"] if item["type"] == kind]


def main(what: str) -> None:
    """Write what is committed anew."""
    bicep = find_bicep()
    if bicep is None:
        sys.exit(HOW_TO_GET_ONE)
    if what == "azuredeploy":
        calls = [bicep("build", "--no-restore", "--outfile", INFRA / "azuredeploy.json", MAIN)]
    else:
        calls = [bicep.snapshot(parameters, "overwrite") for parameters in SETS]
    sys.exit("\n".join(done.stderr for done in calls if done.returncode) or None)


if __name__ == "__main__":
    main(sys.argv[1])
