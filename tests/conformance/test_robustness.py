"""Hundreds of odd, broken and hostile files: each gets a picture or a documented error."""

from collections import Counter
from pathlib import Path

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
)
from tests.conformance.client import exchange
from tests.conformance.requests import QUERY, Request
from tests.support.hosts import Host

_REFUSALS = (ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance, ImageSizeNotAllowed)
_DOCUMENTED = {refusal().body() for refusal in _REFUSALS}


def test_every_file_is_answered(host: Host, shared_data: Path) -> None:
    outcomes: Counter[str] = Counter()
    wrong = []
    for path in sorted((shared_data / "robust").rglob("*")):
        if not path.is_file() or path.suffix == ".csv":
            continue
        reply = exchange(host.port, "POST", Request(query=QUERY, body=path.read_bytes()).parts())
        outcomes[str(reply.status)] += 1
        good = reply.body.startswith(b"\x89PNG") if reply.status == 200 else reply.body in _DOCUMENTED
        if not good:
            wrong.append((path.name, reply.status, reply.body[:200]))
    assert wrong == []
    assert outcomes.keys() == {"200", "400"}
