"""Hosts and data that several tests share, and how tests are chosen, shared out and told of."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.support import slow
from tests.support.hosts import PROJECT, Host, embedded_host
from tests.support.quick_app import make_quick_app
from tests.support.small_host import SETTINGS as SMALL_HOST
from tests.support.units import WAITING, Units, rank, shuffle

gc.disable()  # a quarter of the time of pytest's collection: what it makes stays until the end


def pytest_collection_finish() -> None:
    """From now on there is garbage, and none of it in what was collected."""
    gc.freeze()
    gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes and sets are numbered: each worker may make or write others, and all must find the same tests."""
    return argname if isinstance(val, bytes | set | frozenset) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in a random order")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow.mark(items)
    seed = config.getoption("shuffle")
    if seed is None:
        items.sort(key=lambda item: rank(item.nodeid))
    else:
        shuffle(items, seed)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """For the whole suite more than there are cores, since some units wait more than they compute."""
    return (os.process_cpu_count() or 1) + WAITING if config.option.numprocesses == "auto" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Units:
    return Units(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    slow.begin(item)
    try:
        return (yield)
    finally:
        slow.end()


class Failures:
    """Shows a failure when it happens; pytest itself does so at the end."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"{report.when} of {report.nodeid} failed:", red=True)
            self._reporter.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # after pytest has made its reporter
def pytest_configure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(reporter))


@pytest.fixture(scope="session")
def quick_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app with a network that takes no time."""
    return make_quick_app(tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, quick_app: Path) -> Iterator[Host]:
    """The embedded host with two keys and the quick network; one port of this machine serves it pictures."""
    log = tmp_path_factory.mktemp("host") / "log.txt"
    with embedded_host(log, SMALL_HOST, quick_app) as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures beside the project; tests that need them are skipped where they are not."""
    data = PROJECT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs the pictures of ../shared/data")
    return data
