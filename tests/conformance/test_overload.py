"""More callers than the service has room for, and a service without its network."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared_code import errors
from tests.conformance.client import Reply, exchange
from tests.conformance.requests import Request
from tests.support.hosts import PROJECT, Host, embedded_host, ends_by_itself
from tests.support.photos import encoded

pytestmark = pytest.mark.slow

CALLERS = 24


@pytest.fixture(scope="module")
def narrow_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One slot: nine requests find a place, and none waits longer than a second."""
    settings = {
        "SEGMENT_ALLOW_ANONYMOUS": "true",
        "SEGMENT_MODEL": "u2netp",
        "SEGMENT_SLOTS": "1",
        "SEGMENT_SLOT_WAIT_S": "1",
    }
    with embedded_host(tmp_path_factory.mktemp("narrow") / "log.txt", settings) as host:
        yield host


def ask(host: Host, request: Request) -> Reply:
    return exchange(host.port, request.method, request.parts())


def test_callers_beyond_the_slots_are_told_when_to_come_again(narrow_host: Host) -> None:
    request = Request(body=encoded("JPEG", 3000, 2000))
    together = threading.Barrier(CALLERS)

    def call(_: int) -> Reply:
        together.wait()
        return ask(narrow_host, request)

    with ThreadPoolExecutor(CALLERS) as callers:
        replies = list(callers.map(call, range(CALLERS)))
    refused = [reply for reply in replies if reply.status != 200]
    assert len(refused) >= CALLERS - 9
    assert len(refused) < CALLERS
    for reply in refused:
        assert (reply.status, reply.body) == (429, errors.TooManyRequests().body())
        assert reply.headers["retry-after"] == "2"
        assert reply.headers["content-type"] == "application/json"
    assert ask(narrow_host, Request()).status == 200, "the slot is free again"


def test_status_answers_while_every_slot_is_busy(narrow_host: Host) -> None:
    """Each answer of /status comes before the picture that was sent first."""
    large = Request(body=encoded("PNG", 3500, 3500))
    order: list[str] = []

    def busy() -> None:
        ask(narrow_host, large)
        order.append("picture")

    picture = threading.Thread(target=busy)
    picture.start()
    while picture.is_alive() and order.count("status") < 3:
        assert ask(narrow_host, Request(path="/status", query="", method="GET", body=b"")).status == 200
        order.append("status")
    picture.join()
    assert order[:3] == ["status"] * 3


@pytest.fixture
def broken_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A copy of the app whose network was altered after it was built."""
    copy = tmp_path_factory.mktemp("broken")
    for folder in ("shared_code", "segment_function", "cutout_function", "telemetry", "local_host"):
        shutil.copytree(PROJECT / folder, copy / folder)
    for name in ("function_app.py", "host.json"):
        shutil.copy(PROJECT / name, copy / name)
    shutil.copytree(PROJECT / "models" / "built", copy / "models" / "built")
    altered = bytearray((PROJECT / "models/built/u2net.onnx").read_bytes())
    altered[len(altered) // 2] ^= 1
    (copy / "models/built/u2net.onnx").write_bytes(altered)
    settings = {"SEGMENT_ALLOW_ANONYMOUS": "true"}
    with embedded_host(copy / "log.txt", settings, app=copy, ready_status=503) as host:
        yield host


def test_altered_network_is_never_used(broken_host: Host) -> None:
    """While loading it is tried again other pages live; then who waited is refused, and the process ends."""
    assert ask(broken_host, Request(path="/status", query="", method="GET", body=b"")).status == 200
    reply = ask(broken_host, Request())
    assert (reply.status, reply.body) == (503, errors.ServiceUnavailable().body())
    assert reply.headers["retry-after"] == str(errors.ServiceUnavailable.retry_after_s)
    assert "sha256" in broken_host.log.read_text()
    assert ends_by_itself(broken_host.pid)
