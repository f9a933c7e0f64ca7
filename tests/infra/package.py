"""The package that is deployed: made as azd makes it, installed as the platform's builder does."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from tests.support.hosts import PROJECT

# Left out by azd whatever .funcignore says; its other rules hold only where there is no .funcignore.
_ALWAYS_LEFT_OUT = GitIgnoreSpec.from_lines([".azure/", "local.settings.json"])


def packed_files(project: Path = PROJECT) -> Iterator[Path]:
    """What goes into the package, relative to the project; `.gitignore` is not asked."""
    ignored = GitIgnoreSpec.from_lines((project / ".funcignore").read_text().splitlines())
    for folder, names, files in project.walk():
        here = folder.relative_to(project)
        names[:] = sorted(name for name in names if not _matches(ignored, f"{here.as_posix()}/{name}/"))
        yield from (here / name for name in sorted(files) if not _matches(ignored, (here / name).as_posix()))


def make_package(target: Path) -> None:
    """Write the zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for path in packed_files():
            package.write(PROJECT / path, path.as_posix())


def install_requirements(app: Path) -> subprocess.CompletedProcess[str]:
    """Install `requirements.txt` and nothing else, from wheels, to where the worker looks for packages."""
    target = app / ".python_packages" / "lib" / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-user", "--only-binary", ":all:", "--target", str(target), "-r", "requirements.txt"]
    return subprocess.run([*command, *options], cwd=app, capture_output=True, text=True)


def _matches(ignored: GitIgnoreSpec, path: str) -> bool:
    path = path.removeprefix("./")
    return ignored.match_file(path) or _ALWAYS_LEFT_OUT.match_file(path)
