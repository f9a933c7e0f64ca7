"""The function as it is registered in the app."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.hosts import PROJECT, environment

_PROBE = """
import json, sys
from function_app import app
described = {one.get_function_name(): one.get_function_json() for one in app.get_functions()}
cutout = json.loads(described.get("cutout", "null"))
heavy = sorted({"azure.storage.blob", "azure.storage.queue", "azure.identity"} & sys.modules.keys())
print(json.dumps({"cutout": cutout, "http": "segment" in described, "heavy": heavy}))
"""


def probe(settings: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROBE]
    run = subprocess.run(
        command, cwd=PROJECT, env=environment(settings), capture_output=True, check=True, timeout=120
    )
    document: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return document


def test_without_storage_there_is_no_queue_function() -> None:
    assert probe({}) == {"cutout": None, "http": True, "heavy": []}


@pytest.mark.parametrize(
    "settings",
    [
        {"CUTOUT_STORAGE": "UseDevelopmentStorage=true"},
        {
            "CUTOUT_STORAGE__blobServiceUri": "https://a.blob.core.windows.net",
            "CUTOUT_STORAGE__queueServiceUri": "https://a.queue.core.windows.net",
        },
    ],
)
def test_with_storage_the_function_waits_for_its_queue(settings: dict[str, str]) -> None:
    found = probe(settings | {"CUTOUT_QUEUE": "my-events"})
    (trigger,) = found["cutout"]["bindings"]
    assert trigger == {
        "direction": "IN",
        "type": "queueTrigger",
        "name": "message",
        "queueName": "my-events",
        "connection": "CUTOUT_STORAGE",
    }
    assert found["http"]
    assert found["heavy"] == [], "they are slow to import, and belong to the first message"
