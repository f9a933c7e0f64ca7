"""No call is left waiting, at whatever stage its caller leaves, and the worker's memory comes back."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.requests import QUERY, Request
from tests.functions_host import Instance, functions_host
from tests.functions_host.calls import ask, get, reset, sent, wait_for_the_end_of_all_calls
from tests.functions_host.conftest import SETTINGS
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded

LARGE = ("JPEG", 4000, 4000)
"""Its answer fits no buffer between worker and caller."""


def part_of(size: int, *, chunked: bool) -> Callable[[Instance], socket.socket]:
    """An upload of which so much has been sent."""

    def upload(instance: Instance) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", instance.port), PATIENCE_S)
        head, body = Request(body=bytes(1 << 20), chunked=chunked).parts()
        connection.sendall(head + body[:size])
        return connection

    return upload


def asked(instance: Instance) -> socket.socket:
    """A picture that is being worked on."""
    return sent(instance, Request(body=encoded(*LARGE)))


def answered(instance: Instance) -> socket.socket:
    """An answer of which the first bytes have been read."""
    connection = asked(instance)
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


STAGES = {
    "before any body": part_of(0, chunked=False),
    "below 4 KB": part_of(1000, chunked=False),
    "in the body": part_of(100_000, chunked=False),
    "before any chunk": part_of(0, chunked=True),
    "below 4 KB of chunks": part_of(1000, chunked=True),
    "in the chunks": part_of(100_000, chunked=True),
    "while the picture is worked on": asked,
    "while it is answered": answered,
}
LEAVE: dict[str, Callable[[socket.socket], None]] = {"reset": reset, "closed": socket.socket.close}


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("stage", STAGES)
def test_call_ends(instance: Instance, stage: str, how: str) -> None:
    for _ in range(3):
        LEAVE[how](STAGES[stage](instance))
    wait_for_the_end_of_all_calls(instance)
    assert ask(instance, Request()).status == 200


def test_call_of_a_path_with_a_line_break_ends(instance: Instance) -> None:
    assert get(instance, "/no%0Ahow").status == 404
    wait_for_the_end_of_all_calls(instance)


def resident_mb(pid: int) -> int:
    """Resident memory of a process in MB (2**20)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 >> 20


@pytest.mark.campaign
def test_memory_comes_back(logs: Path, quick_app: Path) -> None:
    """Two dozen callers of large pictures, who leave by twos, hold less than 40 MB.

    With one heap for all threads: of several each would keep up to 32 MB, some of them only after a while.
    """
    with functions_host(logs / "leaving.txt", SETTINGS | {"MALLOC_ARENA_MAX": "1"}, quick_app) as instance:
        (worker,) = instance.worker_pids

        def leave_by_twos(rounds: int) -> int:
            for _ in range(rounds):
                for connection in [answered(instance), answered(instance)]:
                    reset(connection)
                wait_for_the_end_of_all_calls(instance)
            assert ask(instance, Request(query=QUERY)).status == 200
            return resident_mb(worker)

        before = leave_by_twos(6)
        assert leave_by_twos(12) < before + 40
