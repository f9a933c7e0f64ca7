"""Hosts and data that several tests share, and how tests are chosen, shared out and told of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.support import slow
from tests.support.hosts import KEYS, PROJECT, Host, embedded_host
from tests.support.small_host import SETTINGS as SMALL_HOST
from tests.support.units import Units, rank, shuffle


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are numbered: two workers may make different ones, and must find the same tests."""
    return argname if isinstance(val, bytes) else None


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
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The embedded host with two keys and otherwise default settings."""
    log = tmp_path_factory.mktemp("host") / "log.txt"
    with embedded_host(log, {"SEGMENT_API_KEYS": ",".join(KEYS)}) as running:
        yield running


@pytest.fixture(scope="session")
def small_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the small network, which may fetch pictures from this machine."""
    log = tmp_path_factory.mktemp("small_host") / "log.txt"
    with embedded_host(log, SMALL_HOST) as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Pictures beside the project; tests that need them are skipped where they are not."""
    data = PROJECT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs the pictures of ../shared/data")
    return data
