"""The functions as the worker library indexes them that Azure runs, at the version that is pinned."""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from segment_function.api import ALIAS, ROUTE
from tests.support.hosts import PROJECT, environment
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

STORAGE = {"CUTOUT_STORAGE": "UseDevelopmentStorage=true"}
MAX_INIT_S = 30
"""The platform's limit, https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan."""

ALL_METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]
HTTP_FUNCTIONS = {
    "segment": (ROUTE, ["POST"]),
    "segment_alias": (ALIAS, ["POST"]),
    "status": ("status", ["GET"]),
    "ready": ("ready", ["GET"]),
    "openapi": ("openapi.json", ["GET"]),
    "swagger": ("swagger", ["GET"]),
    "swagger_file": ("swagger/{file}", ["GET"]),
    "static_file": ("static/{file}", ["GET"]),
    "unknown_path": ("{*path}", ALL_METHODS),
}
HTTP_BINDINGS = {
    name: [
        {
            "direction": "IN",
            "type": "httpTrigger",
            "name": "req",
            "methods": methods,
            "authLevel": "ANONYMOUS",
            "route": route,
        },
        {"direction": "OUT", "type": "http", "name": "$return"},
    ]
    for name, (route, methods) in HTTP_FUNCTIONS.items()
}
QUEUE_BINDINGS = {
    "cutout": [
        {
            "direction": "IN",
            "type": "queueTrigger",
            "name": "message",
            "queueName": "cutout-events",
            "connection": "CUTOUT_STORAGE",
        }
    ]
}
EXPECTED = {"worker": HTTP_BINDINGS, "specialised": HTTP_BINDINGS | QUEUE_BINDINGS}


@pytest.fixture(scope="module", params=EXPECTED)
def report(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Mapping[str, Any]]:
    """What a worker told: one that has the app, and one that was started before the app was known.

    The second is given a storage account too.
    """
    folder = tmp_path_factory.mktemp("worker")
    arguments = [str(PROJECT)]
    if request.param == "specialised":
        later = folder / "environment.json"
        later.write_text(json.dumps(environment(STORAGE)))
        arguments.append(str(later))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.worker", *arguments],
        cwd=folder,
        env=environment({"PYTHONPATH": str(PROJECT)}),
        stdout=subprocess.PIPE,
        check=True,
        timeout=PATIENCE_S,
    )
    return request.param, json.loads(ended.stdout)


def test_worker_is_the_pinned_library_outside_the_app(report: tuple[str, Mapping[str, Any]]) -> None:
    told = report[1]
    pin = f"azure-functions-runtime=={version('azure-functions-runtime')}"
    assert pin in (PROJECT / "requirements.in").read_text().split()
    assert Path(told["library"]).is_relative_to(sys.prefix)
    if report[0] == "worker":  # specialised, it has changed to the app's folder as the platform does
        assert not Path(told["folder"]).is_relative_to(PROJECT)


def test_indexed_functions(report: tuple[str, Mapping[str, Any]]) -> None:
    name, told = report
    assert {function["name"]: function["bindings"] for function in told["functions"]} == EXPECTED[name]


def test_every_function_loads(report: tuple[str, Mapping[str, Any]]) -> None:
    told = report[1]
    assert told["loaded"] == [function["id"] for function in told["functions"]]
    assert len(told["functions"]) == len(set(told["loaded"]))


def test_initialisation_is_within_the_platforms_limit(report: tuple[str, Mapping[str, Any]]) -> None:
    assert report[1]["init_cpu_s"] < MAX_INIT_S
