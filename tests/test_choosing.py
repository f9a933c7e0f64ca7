"""How tests are chosen and shared out."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from model_build.fetch import CACHE_DIR
from shared_code.matte.built import BUILT_DIR
from tests.support.hosts import PROJECT
from tests.support.slow import FIXTURES
from tests.support.units import LONGEST_FIRST, TOGETHER, rank, shuffle, unit_of

REFUSED = pytest.fail.Exception
CONTRACT = "tests/conformance/test_contract.py"


def test_a_quick_test_starts_no_process() -> None:
    with pytest.raises(REFUSED, match=r"starts a process: give it the mark pytest\.mark\.slow"):
        subprocess.run([sys.executable, "-c", ""])


@pytest.mark.parametrize("folder", [BUILT_DIR, CACHE_DIR])
def test_a_quick_test_opens_no_network(folder: Path) -> None:
    with pytest.raises(REFUSED, match="opens a built network"):
        (folder / "any.onnx").read_bytes()


@pytest.mark.slow
def test_a_slow_test_may() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_failure_is_shown_when_it_happens(workers: int, tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_a():\n    assert 'left' == 'right'\n")
    passing = "tests/test_choosing.py::test_the_longest_come_first"
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", f"--numprocesses={workers}", str(failing), passing],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    at_once, _, at_the_end = shown.partition("= FAILURES =")
    assert "assert 'left' == 'right'" in at_once
    assert "1 failed, 1 passed" in at_the_end


def test_what_uses_a_host_is_slow(request: pytest.FixtureRequest) -> None:
    """Those of this run that do, if they have not been left out."""
    for item in request.session.items:
        uses = FIXTURES.intersection(getattr(item, "fixturenames", ()))
        assert not uses or item.get_closest_marker("slow"), item.nodeid
    assert request.node.get_closest_marker("slow") is None


def test_campaigns_are_slow(request: pytest.FixtureRequest) -> None:
    """Those of this run, if they have not been left out."""
    for item in request.session.items:
        assert item.get_closest_marker("slow") or not item.get_closest_marker("campaign"), item.nodeid


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "chosen"), [("", True), ("true", False)])
def test_only_ci_runs_campaigns(ci: str, chosen: bool) -> None:
    """And what is deployed."""
    make = ["make", "--dry-run", "--assume-old=.venv/ready", "test", f"CI={ci}"]
    shown = subprocess.run(make, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout
    (command,) = (line for line in shown.splitlines() if " -m pytest " in line)
    assert ('-m "not campaign"' in command, "--ignore=tests/infra" in command) == (chosen, chosen)
    assert "--durations=20" in command


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        ("tests/test_docs.py::test_a", "tests/test_docs.py"),
        (
            "tests/conformance/test_contract.py::test_row[functions-a]",
            "tests/conformance/test_contract.py::functions",
        ),
        (
            "tests/conformance/test_contract.py::test_a[embedded]",
            "tests/conformance/test_contract.py::embedded",
        ),
        (f"{CONTRACT}::test_names", CONTRACT),
        ("tests/functions_host/test_http.py::test_a[x-y]", "the shared Functions host"),
    ],
)
def test_units(nodeid: str, unit: str) -> None:
    assert unit_of(nodeid) == unit


def test_files_that_are_named_exist() -> None:
    named = [file for files in TOGETHER.values() for file in files]
    named += [unit.partition("::")[0] for unit in LONGEST_FIRST if unit not in TOGETHER]
    assert [file for file in named if not (PROJECT / file).is_file()] == []


def test_the_longest_come_first() -> None:
    assert rank("tests/functions_host/test_queue.py::test_a") < rank("tests/test_docs.py::test_a")


def test_a_shuffle_keeps_units_whole(request: pytest.FixtureRequest) -> None:
    found = list(request.session.items)
    items = list(found)
    shuffle(items, 7)
    assert sorted(map(id, items)) == sorted(map(id, found))
    units = [unit for unit, _ in groupby(unit_of(item.nodeid) for item in items)]
    assert len(units) == len(set(units))
    again = list(found)
    shuffle(again, 7)
    assert again == items
