"""What an operator sees: keys, settings that mean nothing, and an instance that is stopped under load."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from shared_code.errors import AccessDenied
from tests.conformance.client import Reply
from tests.conformance.requests import Request
from tests.functions_host import Instance, functions_host
from tests.functions_host.calls import ask, begun, get
from tests.functions_host.conftest import SETTINGS
from tests.support.hosts import has_ended
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.photos import encoded

CALLERS = 4


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"SEGMENT_SLOTS": "many"}, "SEGMENT_SLOTS: must be a whole number"),
        pytest.param(
            {"CUTOUT_INPUT_CONTAINER": "same", "CUTOUT_OUTPUT_CONTAINER": "same"},
            "CUTOUT_OUTPUT_CONTAINER: must",
            marks=pytest.mark.campaign,
        ),
    ],
)
def test_wrong_setting_is_named_in_the_log(
    settings: dict[str, str], told: str, logs: Path, quick_app: Path
) -> None:
    log = logs / f"wrong {min(settings)}.txt"
    with functions_host(log, SETTINGS | settings, quick_app, ready_status=None) as instance:
        wait_for(lambda: has_no_function(instance))
        wait_for(lambda: told in log.read_text())
        os.kill(instance.pid, signal.SIGKILL)  # to end by itself it takes half a minute
    for secret in SETTINGS["SEGMENT_API_KEYS"].split(","):
        assert secret not in log.read_text()


def has_no_function(instance: Instance) -> bool:
    """Whether it answers 404 or has ended itself: a race that the host runs with itself."""
    with suppress(OSError):
        reply = get(instance, "/status")
        return (reply.status, reply.body) == (404, b"")
    return has_ended(instance.pid)


def test_stopped_under_load_it_ends_what_it_has_begun(logs: Path, quick_app: Path) -> None:
    request = Request(body=encoded("JPEG", 3000, 2000))
    with functions_host(logs / "stopped.txt", SETTINGS, quick_app) as instance:
        before = len(begun(instance))
        with ThreadPoolExecutor(CALLERS) as callers:
            calls = [callers.submit(ask, instance, request) for _ in range(CALLERS)]
            wait_for(lambda: len(begun(instance)) == before + CALLERS)
            os.kill(instance.pid, signal.SIGTERM)
            replies: list[Reply] = [call.result(PATIENCE_S) for call in calls]
        assert [reply.status for reply in replies] == [200] * CALLERS
        assert len({reply.body for reply in replies}) == 1
        assert replies[0].body.endswith(b"IEND\xaeB`\x82")
        wait_for(lambda: not instance.worker_pids)
        with pytest.raises(OSError, match="refused"):
            ask(instance, request)


@pytest.mark.campaign
def test_keys_can_be_rotated_by_a_restart(logs: Path, quick_app: Path) -> None:
    old, new = (SETTINGS | {"SEGMENT_API_KEYS": keys} for keys in ("first, second", "second,third"))
    for settings, refused, accepted in ((old, "third", "first"), (new, "first", "third")):
        with functions_host(logs / f"key {accepted}.txt", settings, quick_app) as instance:
            for key, status in ((refused, 401), (accepted, 200), ("second", 200), ("first, second", 401)):
                reply = ask(instance, Request(headers={"Ocp-Apim-Subscription-Key": key}))
                assert reply.status == status, key
                assert status == 200 or reply.body == AccessDenied().body()
