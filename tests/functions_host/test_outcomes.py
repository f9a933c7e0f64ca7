"""What the host's log tells of a picture: the host drops what is logged outside of an invocation."""

import re

import pytest

from tests.conformance.requests import Request
from tests.functions_host import Instance
from tests.functions_host.calls import ask, reset, sent, wait_for_the_end_of_all_calls
from tests.support.patience import wait_for
from tests.support.photos import encoded


def line_of(instance: Instance, request_id: str) -> str:
    (line,) = re.findall(rf"picture {request_id}: (.*)", instance.log.read_text())
    return str(line)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (
            Request(body=encoded("JPEG", 1600, 1200)),
            r"ending=sent mode=background\w+ .* megapixels=1\.92 .*",
        ),
        (
            Request(body=b"text"),
            r"ending=refused mode=background\w+ .* megapixels=- .* error=E-FORMAT reason=not_a_picture .*",
        ),
    ],
    ids=["sent", "refused"],
)
def test_every_picture_has_its_line(instance: Instance, request_: Request, told: str) -> None:
    reply = ask(instance, request_)
    wait_for_the_end_of_all_calls(instance)
    line = line_of(instance, reply.headers["request-id"])
    assert re.fullmatch(rf"edge=http caller=\S+ client_id=- {told}", line)
    if reply.status == 200:
        assert f" bytes={len(reply.body)} " in line
        assert " send=" in line


def test_one_who_leaves_in_the_middle_has_his(instance: Instance) -> None:
    """Nothing between worker and caller has taken the picture whole before he leaves: it is streamed."""
    request = Request(body=encoded("JPEG", 4000, 4100))
    whole = len(ask(instance, request).body)
    with sent(instance, request) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        reset(connection)
    left = re.compile(r"picture .* ending=left .* megapixels=16\.40 .* bytes=(\d+) ")
    wait_for(lambda: left.search(instance.log.read_text()))
    (bytes_out,) = left.findall(instance.log.read_text())
    assert 0 < int(bytes_out) < whole
