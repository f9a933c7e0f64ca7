"""What `make test-fast` leaves out: every test that needs another program or a network that was built.

A test is slow by its mark, or because of a fixture that it uses. One that is neither fails where it starts a
process or opens a built network, so that the quick tests stay quick and run on a fresh clone.
"""

import os
import sys
from collections.abc import Iterable

import pytest

from model_build.fetch import CACHE_DIR
from shared_code.matte.built import BUILT_DIR

FIXTURES = frozenset({"bicep", "emulator", "host", "instance", "logs", "one_browser"})
"""Each starts a program, or looks for one."""

_FOLDERS = tuple(f"{folder}{os.sep}" for folder in (BUILT_DIR, CACHE_DIR))
_PROCESSES = frozenset({"os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen"})
_quick: list[str] = []
"""The name of the test that runs now, if it is a quick one."""


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark as slow what uses a slow fixture, however indirectly."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


def begin(item: pytest.Item) -> None:
    """From now on `item` runs, until `end`."""
    if item.get_closest_marker("slow") is None:
        _quick.append(item.nodeid)


def end() -> None:
    """No test runs."""
    _quick.clear()


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _quick:
        return
    if event in _PROCESSES:
        _refuse("starts a process")
    elif event == "open" and str(arguments[0]).startswith(_FOLDERS):
        _refuse("opens a built network")


def _refuse(what: str) -> None:
    name = _quick.pop()
    pytest.fail(f"{name} {what}: give it the mark pytest.mark.slow", pytrace=False)


sys.addaudithook(_watch)
