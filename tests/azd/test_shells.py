"""Every command of the pages stands there for bash and for PowerShell, and is one of those that are run."""

import pytest
from tree_sitter import Language, Parser
from tree_sitter_powershell import language

from tests.azd.shells import (
    PAGES,
    Block,
    blocks,
    error_commands,
    inline_commands,
    powershell_of,
)

ALL = [block for page in PAGES for block in blocks(page)]
POWERSHELL = Parser(Language(language()))
OF_THE_SYSTEM = {
    # Install programs on the machine, each by its system's own way.
    "curl -fsSL https://aka.ms/install-azd.sh \\| bash",
    "curl -sL https://aka.ms/InstallAzureCLIDeb \\| sudo bash",
    "az upgrade",
    # Fetches the Bicep CLI, which azd fetches by itself; one of three ways to have it for `make infra`.
    "az bicep install",
}


def is_powershell(code: str) -> bool:
    return not POWERSHELL.parse(code.encode()).root_node.has_error


def test_pages_have_commands() -> None:
    assert len(ALL) > 15


@pytest.mark.parametrize("block", ALL, ids=str)
def test_powershell_stands_beside_bash(block: Block) -> None:
    assert block.powershell == powershell_of(block.bash)
    assert is_powershell(block.powershell)


def test_what_is_no_powershell_is_noticed() -> None:
    for code in ("until a; do b; done", 'az rest "$SITE', "curl a |", "if ($x { a }"):
        assert not is_powershell(code)


@pytest.mark.parametrize(
    ("bash", "powershell"),
    [
        ("NAME=$(azd env get-value NAME)", "$NAME = $(azd env get-value NAME)"),
        ('A="$B/c"', '$A = "$B/c"'),
        ("curl a \\\n  b", "curl.exe a `\n  b"),
        (
            "curl a || { cat c; rm c; false; }",
            "curl.exe a\nif ($LASTEXITCODE) { Get-Content c; Remove-Item c }",
        ),
        ("python3 a.py", "python a.py"),
        ("azd env set A b", "azd env set A b"),
    ],
)
def test_rules(bash: str, powershell: str) -> None:
    assert powershell_of(bash) == powershell


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_the_text_are_among_those_that_are_run(page: str) -> None:
    run = "\n".join([*(block.bash for block in ALL), *error_commands().values()])
    for command in inline_commands(page):
        assert command in OF_THE_SYSTEM or command in run, command


@pytest.mark.parametrize("command", error_commands().values())
def test_commands_against_errors_are_the_same_in_both_shells(command: str) -> None:
    assert powershell_of(command) == command
    assert is_powershell(command)
