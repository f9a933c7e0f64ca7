"""docs/client.md against the code it speaks of."""

import re

import pytest

from segment_client import Patience, errors
from segment_client.arguments import parse
from segment_client.report import COLUMNS
from tests.support.hosts import PROJECT

PAGE = (PROJECT / "docs" / "client.md").read_text(encoding="utf-8")


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["cutouts", "--help"], {})
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert set(re.findall(r"^\| `(--[a-z-]+)`", PAGE, re.MULTILINE)) == options


def test_ids() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    ids = {cls.id for cls in classes if issubclass(cls, errors.ClientError)}
    assert set(re.findall(r"^\| (C-[A-Z]+) \|", PAGE, re.MULTILINE)) == {
        name for name in ids if name[:2] == "C-"
    }


def test_columns_of_the_report() -> None:
    [paragraph] = re.findall(r"^The report has the columns.*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    assert set(COLUMNS) <= set(re.findall(r"`([a-z_]+)`", paragraph))


def test_patience() -> None:
    default = Patience()
    assert f"| `--attempts` | {default.attempts} |" in PAGE
    assert f"| `--timeout` | {default.attempt_s:g} |" in PAGE
    assert f"| `--give-up-after` | {default.give_up_after_s:g} |" in PAGE
    assert f"{default.first_wait_s} s, then 1, 2, 4 and so on up to {default.longest_wait_s:g} s" in PAGE
    assert f"After {default.failures_to_open} failures in a row" in PAGE
    assert f"picture every {default.probe_every_s:g} seconds" in PAGE
