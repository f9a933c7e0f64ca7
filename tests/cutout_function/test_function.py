"""The function as it is registered in the app."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.hosts import PROJECT, environment
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

_PROBE = """
import json, sys
from function_app import app
described = {one.get_function_name(): one.get_function_json() for one in app.get_functions()}
cutout = json.loads(described.get("cutout", "null"))
heavy = sorted({"azure.storage.blob", "azure.storage.queue", "azure.identity"} & sys.modules.keys())
print(json.dumps({"cutout": cutout, "http": "segment" in described, "heavy": heavy}))
"""


_IMPORTS_OF_A_MESSAGE = """
import asyncio, json, sys, threading
from types import SimpleNamespace
from azure.functions import QueueMessage
from function_app import app

def watch(event, arguments):
    if event == "import" and arguments[0].startswith(("azure.storage", "azure.core", "azure.identity")):
        print(arguments[0], threading.current_thread() is threading.main_thread())

event = {
    "topic": "/providers/Microsoft.Storage/storageAccounts/other",
    "subject": "/blobServices/default/containers/uploads/blobs/a.jpg",
    "eventType": "Microsoft.Storage.BlobCreated",
}
message = QueueMessage(id="1", body=json.dumps(event).encode())
cutout = next(one for one in app.get_functions() if one.get_function_name() == "cutout")
sys.addaudithook(watch)
trace = SimpleNamespace(trace_parent="", trace_state="")
asyncio.run(cutout.get_user_function()(message, SimpleNamespace(trace_context=trace)))
"""


def run(program: str, settings: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return done.stdout


def probe(settings: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(_PROBE, settings).splitlines()[-1])
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


def test_the_storage_client_is_not_imported_on_the_event_loop() -> None:
    settings = {
        "CUTOUT_STORAGE__blobServiceUri": "https://a.blob.core.windows.net",
        "CUTOUT_STORAGE__queueServiceUri": "https://a.queue.core.windows.net",
    }
    imports = [line.split() for line in run(_IMPORTS_OF_A_MESSAGE, settings).splitlines()]
    assert {"azure.storage.blob", "azure.identity"} <= {name for name, _ in imports}
    assert {on_main_thread for _, on_main_thread in imports} == {"False"}
