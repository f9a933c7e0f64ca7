"""Which loggers the worker's exporter is given."""

import logging
from collections.abc import Iterator

import pytest

from telemetry.exporters import APP_LOGGERS, WORKERS_LOGGER, export_all_of_the_app
from tests.support.hosts import PROJECT


@pytest.fixture
def handler() -> Iterator[logging.Handler]:
    """What the worker adds to the one logger it is told of."""
    made = logging.NullHandler()
    logging.getLogger(WORKERS_LOGGER).addHandler(made)
    yield made
    for name in APP_LOGGERS:
        logging.getLogger(name).removeHandler(made)


def test_every_package_of_the_app_is_exported_once(handler: logging.Handler) -> None:
    export_all_of_the_app()
    export_all_of_the_app()
    for name in APP_LOGGERS:
        assert logging.getLogger(name).handlers.count(handler) == 1


def test_nothing_else_is(handler: logging.Handler) -> None:
    export_all_of_the_app()
    for name in ("", "azure", "azure.monitor.opentelemetry", "opentelemetry"):
        assert handler not in logging.getLogger(name).handlers


def test_app_loggers_are_those_of_the_packages_that_are_deployed() -> None:
    deployed = {"cutout_function", "segment_function", "shared_code", "telemetry"}
    assert set(APP_LOGGERS) == {name for name in deployed if (PROJECT / name / "__init__.py").is_file()}
