"""The commands of a page: its blocks in bash, and what PowerShell has in their place.

docs/deploy.md states the same rules for its readers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.hosts import PROJECT

PAGES = ("docs/deploy.md", "docs/operations.md")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_RULES = (
    # A line goes on after a backtick.
    (r" \\$", " `"),
    # A variable has a dollar sign where it is set as well.
    (r"^(\w+)=(.+)$", r"$\1 = \2"),
    # Programs have the names that they have on Windows; `curl` alone is something else in Windows PowerShell.
    (r"^python3 ", "python "),
    (r"^curl ", "curl.exe "),
    # A call that was refused: show what the service says, and leave no file that is no picture.
    (r" \|\| \{ cat (\S+); rm \1; false; \}$", r"\nif ($LASTEXITCODE) { Get-Content \1; Remove-Item \1 }"),
)


@dataclass(frozen=True)
class Block:
    """Commands between two fences, and those in PowerShell after them, or None."""

    page: str
    number: int
    bash: str
    powershell: str | None

    def __str__(self) -> str:
        return f"{self.page.removeprefix('docs/')}-{self.number}"


def blocks(page: str) -> Iterator[Block]:
    """Those in bash, in the order of the page."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    fences = [(match.start(), match.end(), match[1], match[2]) for match in _FENCE.finditer(text)]
    number = 0
    for (_, end, language, code), after in zip(fences, [*fences[1:], None], strict=True):
        if language in ("sh", "bash"):
            number += 1
            beside = after and after[2] == "powershell" and not text[end : after[0]].strip()
            yield Block(page, number, code, after[3] if after and beside else None)


def powershell_of(bash: str) -> str:
    """The same commands in PowerShell."""
    text = bash
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


def inline_commands(page: str) -> list[str]:
    """Commands of Azure's tools within the text, outside all fences."""
    text = _FENCE.sub("", (PROJECT / page).read_text(encoding="utf-8"))
    return re.findall(r"(?<!`)`((?:azd|az|python3?|curl|git) [^`]+)`(?!`)", text)


def error_commands() -> dict[str, str]:
    """Of the table in When something fails: the command of each row, by the text that the screen shows."""
    section = (
        (PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8").partition("## When something fails")[2]
    )
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([^`]+)` \|$", section.partition("\n## ")[0], re.M)
    return dict(rows)
