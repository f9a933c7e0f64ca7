"""`functionTimeout` is never reached by what callers do: that would restart the worker, and cost everybody.

It is short here, and the service's own limits in proportion. Every caller goes on for longer than it. Callers
who do not read are another matter: the host gives them its own 240 s, which nothing makes shorter.
"""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conformance.requests import Request, with_url
from tests.functions_host import Instance, functions_host
from tests.functions_host.calls import ask, begun, sent, still_open, wait_for_the_end_of_all_calls
from tests.functions_host.conftest import SETTINGS
from tests.support.hosts import free_port
from tests.support.patience import wait_for
from tests.support.photos import encoded

TIMEOUT_S = 20
PERSISTENCE_S = TIMEOUT_S + 8
LIMITS = {
    "AzureFunctionsJobHost__functionTimeout": f"00:00:{TIMEOUT_S}",
    "SEGMENT_DEADLINE_S": "10",
    "SEGMENT_STALL_S": "5",
    "SEGMENT_SLOT_WAIT_S": "5",
    "SEGMENT_URL_INPUT": "on",
    "SEGMENT_URL_ALLOWED_NETWORKS": "127.0.0.1/32",
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
BYTES_A_SECOND = 8000
"""The host itself cuts off what is below 240, if it does not come from the worker."""


@pytest.fixture(scope="module")
def origin() -> Iterator[int]:
    """The port of a server that sends its picture a few bytes at a time."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                connection.sendall(HEAD)
                dribble(connection, bytes(100_000), 100)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield port


@pytest.fixture(scope="module")
def limited(logs: Path, origin: int) -> Iterator[Instance]:
    """A host whose calls may last seconds only."""
    ports = {"SEGMENT_URL_ALLOWED_PORTS": f"80,443,{origin}"}
    with functions_host(logs / "function timeout.txt", SETTINGS | LIMITS | ports) as instance:
        yield instance


def dribble(connection: socket.socket, data: bytes, bytes_a_second: int = BYTES_A_SECOND) -> None:
    """Send slowly, until all is sent or the other side has had enough."""
    end = time.monotonic() + PERSISTENCE_S
    for at in range(0, len(data), bytes_a_second):
        if time.monotonic() > end:
            return
        connection.sendall(data[at : at + bytes_a_second])
        time.sleep(1)


def slow_upload(instance: Instance, *, chunked: bool) -> None:
    head, body = Request(body=encoded("PNG", 600, 400), chunked=chunked).parts()
    with socket.create_connection(("127.0.0.1", instance.port)) as connection:
        connection.sendall(head)
        dribble(connection, body)


def upload_in_chunks(instance: Instance, _origin: int) -> None:
    slow_upload(instance, chunked=True)


def upload_of_known_length(instance: Instance, _origin: int) -> None:
    slow_upload(instance, chunked=False)


def slow_reader(instance: Instance, _origin: int) -> None:
    with sent(instance, Request(body=encoded("JPEG", 4000, 4000))) as connection:
        end = time.monotonic() + PERSISTENCE_S
        while time.monotonic() < end and connection.recv(BYTES_A_SECOND):
            time.sleep(1)


def reader_who_stops(instance: Instance, _origin: int) -> None:
    with sent(instance, Request(body=encoded("JPEG", 4000, 4000))) as connection:
        connection.recv(15)
        time.sleep(PERSISTENCE_S)


def slow_origin(instance: Instance, origin: int) -> None:
    ask(instance, with_url(f'{{"url":"http://127.0.0.1:{origin}/slow.jpg"}}'))


def many_others(instance: Instance, _origin: int) -> None:
    request = Request(body=encoded("JPEG", 4000, 4000))
    end = time.monotonic() + PERSISTENCE_S

    def call_on_and_on() -> None:
        while time.monotonic() < end:
            ask(instance, request)

    together([call_on_and_on] * 12)


CALLERS = (upload_in_chunks, upload_of_known_length, slow_origin, many_others)


def together(works: list[Callable[[], None]]) -> None:
    """Do all at once; a connection that is cut is how some of them have to end."""

    def quietly(work: Callable[[], None]) -> None:
        with suppress(OSError):
            work()

    threads = [threading.Thread(target=quietly, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.campaign
@pytest.mark.skipif("FUNCTIONS_HOST_SLOW" not in os.environ, reason="takes minutes: set FUNCTIONS_HOST_SLOW")
@pytest.mark.parametrize("reader", [slow_reader, reader_who_stops])
def test_no_reader_reaches_that_of_host_json(
    reader: Callable[[Instance, int], None], logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.PERSISTENCE_S", 560)
    with functions_host(logs / f"{reader.__name__}.txt", SETTINGS) as instance:
        threading.Thread(target=together, args=([lambda: reader(instance, 0)],), daemon=True).start()
        wait_for(lambda: ("segment", 1) in Counter(name for name, _ in begun(instance)).items())
        wait_for(lambda: not still_open(instance), 560)
        assert "Timeout value of" not in instance.log.read_text()


@pytest.mark.campaign
def test_no_caller_reaches_it(limited: Instance, origin: int) -> None:
    workers = limited.worker_pids
    together([lambda caller=caller: caller(limited, origin) for caller in CALLERS])  # type: ignore[misc]
    wait_for_the_end_of_all_calls(limited)
    assert len(begun(limited)) > len(CALLERS)
    assert "Timeout value of" not in limited.log.read_text()
    assert limited.worker_pids == workers
    assert ask(limited, Request()).status == 200
