"""The package that is deployed: made on a clone by the project's own hook, and packed as azd packs it."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from tests.support.hosts import PROJECT

PACKAGES = Path(".python_packages", "lib", "site-packages")
# Left out by azd whatever .funcignore says; its other rules hold only where there is no .funcignore.
_ALWAYS_LEFT_OUT = GitIgnoreSpec.from_lines([".azure/", "local.settings.json"])


def clone(folder: Path) -> None:
    """The project as git has it or would add it, with what `make` has built before."""
    listed = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(["git", *listed], cwd=PROJECT, capture_output=True, check=True, text=True).stdout
    built = [path.relative_to(PROJECT) for path in (PROJECT / "models" / "built").rglob("*")]
    for name in [*map(Path, filter(None, names.split("\0"))), *built]:
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    (folder / ".venv").symlink_to(PROJECT / ".venv")


def run_hook(project: Path) -> subprocess.CompletedProcess[str]:
    """What azd does before it packs the folder."""
    hook = project / "infra" / "hooks" / "prepackage.py"
    return subprocess.run([sys.executable, hook], cwd=project, capture_output=True, text=True)


def packed_files(project: Path = PROJECT) -> Iterator[Path]:
    """What goes into the package, relative to the project; `.gitignore` is not asked."""
    ignored = GitIgnoreSpec.from_lines((project / ".funcignore").read_text().splitlines())
    for folder, names, files in project.walk():
        here = folder.relative_to(project)
        names[:] = sorted(name for name in names if not _matches(ignored, f"{here.as_posix()}/{name}/"))
        yield from (here / name for name in sorted(files) if not _matches(ignored, (here / name).as_posix()))


def make_package(project: Path, target: Path) -> None:
    """Write the zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        for path in packed_files(project):
            package.write(project / path, path.as_posix())


def _matches(ignored: GitIgnoreSpec, path: str) -> bool:
    path = path.removeprefix("./")
    return ignored.match_file(path) or _ALWAYS_LEFT_OUT.match_file(path)
