"""How the workers share the tests: in units, those that take longest first.

A unit is what one worker runs, in order: a file of tests, with the fixtures that it keeps, or several files
that share a host.
"""

import random

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "the shared Functions host": (
        "tests/functions_host/test_http.py",
        "tests/functions_host/test_callers_who_leave.py",
        "tests/functions_host/test_outcomes.py",
        "tests/functions_host/test_harness.py",
    ),
    "the browser": (
        "tests/browser/test_accessibility.py",
        "tests/browser/test_results.py",
        "tests/browser/test_snippets.py",
        "tests/browser/test_try_page.py",
    ),
}
"""Files that one worker runs, so that they start one host or browser and not two."""

LONGEST_FIRST = (
    "tests/azd/test_rehearsal.py",
    "tests/azd/test_pages.py",
    "tests/azd/test_telemetry.py",
    "tests/azd/test_network.py",
    "tests/azd/test_errors.py",
    "the browser",
    "tests/functions_host/test_queue.py",
    "tests/functions_host/test_operator.py",
    "tests/test_memory.py",
    "tests/segment_client/test_command_line.py",
    "tests/conformance/test_contract.py::functions",
    "tests/shared_code/room/test_rooms.py",
    "tests/cutout_function/test_end_to_end.py",
    "the shared Functions host",
    "tests/functions_host/test_function_timeout.py",
    "tests/segment_client/test_watching.py",
    "tests/conformance/test_contract.py::embedded",
    "tests/conformance/test_walls.py::functions",
    "tests/test_golden.py",
    "tests/container/test_image.py",
    "tests/model_build/test_built.py",
    "tests/infra/test_package.py",
    "tests/segment_client/test_run.py",
    # Of make test-fast:
    "tests/shared_code/picture/test_tiff.py",
    "tests/properties/test_pictures.py",
    "tests/shared_code/picture/test_heif.py",
    "tests/shared_code/picture/test_decoding.py",
    "tests/segment_function/fetch/test_image_url.py",
)
"""What is begun at once: a long unit that begins last leaves the other workers idle."""

WAITING = 3
"""How many of the units that run at once wait for something most of the time."""

_BY_HOST = "tests/conformance/"
"""Its files run every test on two hosts, which is a word of the parameters; each is a unit."""

_GROUPS = {file: unit for unit, files in TOGETHER.items() for file in files}
_RANKS = {unit: rank for rank, unit in enumerate(LONGEST_FIRST)}


def unit_of(nodeid: str) -> str:
    """The unit of a test."""
    file, _, name = nodeid.partition("::")
    if file.startswith(_BY_HOST):
        for host in ("embedded", "functions"):
            if f"[{host}" in name or f"-{host}-" in name or f"-{host}]" in name:
                return f"{file}::{host}"
    return _GROUPS.get(file, file)


def rank(nodeid: str) -> int:
    """The smaller, the sooner it is begun."""
    return _RANKS.get(unit_of(nodeid), len(_RANKS))


def shuffle(items: list[pytest.Item], seed: int) -> None:
    """Put the units into a random order, and the tests of each."""
    dice = random.Random(seed)
    dice.shuffle(items)
    units = dict.fromkeys(unit_of(item.nodeid) for item in items)
    order = {unit: place for place, unit in enumerate(units)}
    items.sort(key=lambda item: order[unit_of(item.nodeid)])


class Units(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out one unit after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
