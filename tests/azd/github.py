"""GitHub: its command-line program, played, with a repository that azd writes into; and our workflows."""

import json
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.hosts import PROJECT

WORKFLOWS = PROJECT / ".github" / "workflows"
REPOSITORY = "https://github.com/somebody/segment-function.git"
_PROGRAM = """#!{python}
import json, sys
arguments = sys.argv[1:]
content = "" if sys.stdin.isatty() or arguments[:1] == ["--version"] else sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(json.dumps([arguments, content]) + "\\n")
if arguments[:1] == ["--version"]:
    print("gh version 2.80.0 (2026-01-01)")
elif arguments[:1] == ["api"]:
    print(json.dumps(dict(use_default=True)))
elif arguments[1:2] == ["list"]:
    print("[]" if "--json" in arguments else "")
"""


@dataclass(frozen=True)
class GitHub:
    """The program, and the bare repository that is pushed to."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "gh"

    def variables(self) -> dict[str, str]:
        """What azd has set with `gh variable set`."""
        found = {}
        log = self.folder / "gh.log"
        for line in log.read_text().splitlines() if log.is_file() else ():
            arguments, content = json.loads(line)
            if arguments[2:4] == ["variable", "set"]:  # after -R and the repository
                found[arguments[4]] = content
        return found


def play_github(folder: Path, project: Path) -> GitHub:
    """Makes the project a repository whose pushes stay on this machine."""
    folder.mkdir()
    github = GitHub(folder)
    github.program.write_text(_PROGRAM.format(python=sys.executable, log=str(folder / "gh.log")))
    github.program.chmod(github.program.stat().st_mode | stat.S_IXUSR)
    bare = folder / "bare.git"
    author = ("-c", "user.name=A Person", "-c", "user.email=person@example.com")
    commands = (
        ("init", "--quiet", "--bare", str(bare)),
        ("-C", str(project), "init", "--quiet", "--initial-branch", "main"),
        ("-C", str(project), "add", "--all"),
        ("-C", str(project), *author, "commit", "--quiet", "--message", "As it is"),
        ("-C", str(project), "remote", "add", "origin", REPOSITORY),
        ("-C", str(project), "config", f"url.file://{bare}.pushInsteadOf", REPOSITORY),
        ("-C", str(project), "config", "user.name", "A Person"),
        ("-C", str(project), "config", "user.email", "person@example.com"),
    )
    for command in commands:
        subprocess.run(["git", *command], check=True, capture_output=True)
    return github


def steps(workflow: str, job: str) -> dict[str, str]:
    """What the named steps of a workflow run."""
    document = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())
    return {step["name"]: step["run"] for step in document["jobs"][job]["steps"] if "name" in step}
