"""Callers who take little or nothing of a large answer: none of them keeps memory from the others."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conformance.client import exchange
from tests.conformance.requests import Request
from tests.shared_code.picture.samples import saved
from tests.support.hosts import KEYS, Host, embedded_host
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.quick_app import make_quick_app, quick_network

pytestmark = pytest.mark.slow

CALLERS = pytest.mark.parametrize("callers", [1, pytest.param(4, marks=pytest.mark.campaign)])
RECEIVE_BUFFER_BYTES = 4096


@contextmanager
def a_tight_host(folder: Path, stall_s: int) -> Iterator[Host]:
    """Memory for one such picture: what any caller kept of it would refuse the next one.

    In CI too it has the quick network: a real one sees no subject in noise, and the answer is small.
    """
    app = make_quick_app(folder / "app", quick_network())
    settings = {
        "SEGMENT_API_KEYS": ",".join(KEYS),
        "SEGMENT_MEMORY_BUDGET_MB": "80",
        "SEGMENT_STALL_S": str(stall_s),
        "SEGMENT_SLOT_WAIT_S": str(PATIENCE_S),
    }
    with embedded_host(folder / "log.txt", settings, app) as host:
        yield host


@pytest.fixture(scope="module")
def tight_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_tight_host(tmp_path_factory.mktemp("tight"), PATIENCE_S) as host:
        yield host


@pytest.fixture(scope="module")
def impatient_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_tight_host(tmp_path_factory.mktemp("impatient"), 2) as host:
        yield host


@pytest.fixture(scope="module")
def noisy() -> Request:
    """A picture of 6 megapixels whose PNG is larger than all the buffers on its way."""
    noise = np.random.default_rng(1).integers(0, 256, (2000, 3000, 3), np.uint8)
    return Request(body=saved(Image.fromarray(noise), "JPEG", quality=60))


def begun(host: Host, request: Request) -> socket.socket:
    """A connection of which the beginning of the answer was read, and then nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", host.port))
    connection.sendall(b"".join(request.parts()))
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(1 << 16):
        answer += piece
        time.sleep(0.001)
    return answer


def endings(host: Host, ending: str) -> int:
    """How many pictures have ended so, by the log."""
    return len(re.findall(rf"picture .* ending={ending} ", host.log.read_text()))


@CALLERS
def test_callers_who_leave(tight_host: Host, noisy: Request, callers: int) -> None:
    before = endings(tight_host, "left")
    for _ in range(callers):
        begun(tight_host, noisy).close()
    assert exchange(tight_host.port, "POST", noisy.parts()).status == 200
    wait_for(lambda: endings(tight_host, "left") >= before + callers)
    assert endings(tight_host, "left") == before + callers


@CALLERS
def test_callers_who_stay_and_read_nothing_are_dropped(
    impatient_host: Host, noisy: Request, callers: int
) -> None:
    before = endings(impatient_host, "stalled")
    with ExitStack() as connections:
        for _ in range(callers):
            stalled = connections.enter_context(begun(impatient_host, noisy))
        assert exchange(impatient_host.port, "POST", noisy.parts()).status == 200
        wait_for(lambda: endings(impatient_host, "stalled") >= before + callers)
        assert endings(impatient_host, "stalled") == before + callers
        with pytest.raises(ConnectionResetError):  # and not what looks like the end of an answer
            read_all(stalled)
    assert "Traceback" not in impatient_host.log.read_text()


def test_a_caller_who_reads_slowly_gets_everything(tight_host: Host) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), np.uint8)
    request = Request(body=saved(Image.fromarray(noise), "JPEG", quality=60))
    whole = exchange(tight_host.port, "POST", request.parts()).body
    with begun(tight_host, request) as connection:
        answer = read_all(connection)
    assert len(answer) > len(whole)
    assert answer.endswith(b"IEND\xaeB`\x82\r\n0\r\n\r\n")
