"""Hundreds of odd, broken and hostile files: each gets a picture or a documented error."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
)
from tests.conformance.client import Reply, exchange
from tests.conformance.requests import QUERY, Request
from tests.support.hosts import Host

_REFUSALS = (ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance, ImageSizeNotAllowed)
_DOCUMENTED = {refusal().body() for refusal in _REFUSALS}


def test_every_file_is_answered(small_host: Host, shared_data: Path) -> None:
    def answer(path: Path) -> Reply:
        return exchange(small_host.port, "POST", Request(query=QUERY, body=path.read_bytes()).parts())

    outcomes: Counter[str] = Counter()
    wrong = []
    found = sorted((shared_data / "robust").rglob("*"))
    files = [path for path in found if path.is_file() and path.suffix != ".csv"]
    with ThreadPoolExecutor(2) as threads:
        replies = list(threads.map(answer, files))
    for path, reply in zip(files, replies, strict=True):
        outcomes[str(reply.status)] += 1
        good = reply.body.startswith(b"\x89PNG") if reply.status == 200 else reply.body in _DOCUMENTED
        if not good:
            wrong.append((path.name, reply.status, reply.body[:200]))
    assert wrong == []
    assert outcomes.keys() == {"200", "400"}
