"""The version and the notes of a release, for `.github/workflows/release.yml`.

    python infra/release.py version v1.2.3
    python infra/release.py notes 1.2.3 owner/repository dist

The first prints `version=1.2.3`, and refuses a tag that is not the version of the code. The second prints the
notes: what has changed, the package with its sha256, and a link that deploys both.
"""

import re
import sys
from pathlib import Path
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parents[1]
PORTAL = "https://portal.azure.com/#create/Microsoft.Template/uri"


class ReleaseError(Exception):
    """The release is refused; the message says why."""


def main(arguments: list[str]) -> int:
    """Run the command; the exit status is 0, or 1 with a sentence on standard error."""
    try:
        match arguments:
            case ["version", tag]:
                print(f"version={version_of(tag)}")
            case ["notes", version, repository, folder]:
                print(notes(version, repository, Path(folder)))
            case _:
                raise ReleaseError(__doc__ or "")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def code_version() -> str:
    """The version in shared_code/version.py, which is not imported, because it may need a newer Python."""
    text = (PROJECT / "shared_code" / "version.py").read_text()
    match = re.search(r'^VERSION = "(.+)"$', text, re.MULTILINE)
    if match is None:
        raise ReleaseError("shared_code/version.py says no version.")
    return match[1]


def version_of(tag: str) -> str:
    """Raises ReleaseError unless the tag is the code's version after a `v`."""
    version = code_version()
    if tag != f"v{version}":
        raise ReleaseError(
            f"The tag is {tag}, but shared_code/version.py says {version}: nothing is released. "
            f"Tag that commit v{version}, or change the version first."
        )
    return version


def notes(version: str, repository: str, folder: Path) -> str:
    """The notes of a release of `owner/name`, whose package is in `folder`. Raises ReleaseError."""
    name = f"segment-function-{version}.zip"
    digest = (folder / f"{name}.sha256").read_text().split()[0]
    package = f"https://github.com/{repository}/releases/download/v{version}/{name}"
    return f"""{changes(version)}

### Deploy it

[Deploy to Azure]({button(repository, version)}), and give the package's address in the first step:

    {package}

sha256 of the package: `{digest}`. docs/deploy.md has the other ways.
"""


def changes(version: str) -> str:
    """The changes of the version, from CHANGELOG.md. Raises ReleaseError."""
    text = (PROJECT / "CHANGELOG.md").read_text()
    match = re.search(rf"^## {re.escape(version)}\b.*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None or not match[1].strip():
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}.")
    return match[1].strip()


def button(repository: str, version: str) -> str:
    """The address that opens the portal with this version's template and its three pages of questions."""
    files = f"https://raw.githubusercontent.com/{repository}/v{version}/infra"
    template, steps = (
        quote(f"{files}/{name}", safe="") for name in ("azuredeploy.json", "createUiDefinition.json")
    )
    return f"{PORTAL}/{template}/createUIDefinitionUri/{steps}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
