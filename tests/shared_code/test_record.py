import logging
import re
from dataclasses import replace

import pytest

from shared_code.errors import ImageFault
from shared_code.progress import Findings, Stage, StageName
from shared_code.record import Edge, Ending, VisitRecord, log_record, told
from tests.support.hosts import PROJECT

OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
RECORD = VisitRecord(
    id="0b3e",
    edge=Edge.HTTP,
    ending=Ending.SENT,
    mode="backgroundRemoval",
    findings=Findings(megapixels=12.19, uncertainty=0.034, format="JPEG", network="u2net", cold_start=True),
    caller="shop",
    client_id="a-7",
    bytes_in=2_345_678,
    error_id=None,
    bytes_out=8_123_456,
    began=1_700_000_000.0,
    milliseconds=512.4,
    stages=(Stage(StageName.RECEIVE, 0, 20.2), Stage(StageName.DECODE, 21, 80)),
)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            RECORD,
            "picture 0b3e: edge=http caller=shop client_id=a-7 ending=sent mode=backgroundRemoval "
            "format=JPEG bytes_in=2345678 network=u2net cold_start=true megapixels=12.19 uncertainty=0.03 "
            "error=- reason=- bytes=8123456 ms=512 receive=20 decode=59",
        ),
        (
            replace(
                RECORD,
                edge=Edge.BLOB,
                ending=Ending.REFUSED,
                mode=None,
                findings=Findings(),
                error_id="E-FORMAT",
                image_fault=ImageFault.UNKNOWN,
                caller=None,
                client_id=None,
                bytes_in=10,
                bytes_out=0,
                stages=(),
            ),
            "picture 0b3e: edge=blob caller=- client_id=- ending=refused mode=- format=- bytes_in=10 "
            "network=- cold_start=- megapixels=- uncertainty=- error=E-FORMAT "
            "reason=not_a_picture bytes=0 ms=512 ",
        ),
    ],
)
def test_one_line_of_log(record: VisitRecord, line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_record(record)
    assert caplog.messages == [line]


def test_all_are_told_who_want_to_be() -> None:
    first: list[VisitRecord] = []
    second: list[VisitRecord] = []
    told(first.append, None, second.append)(RECORD)
    assert first == second == [RECORD]


def test_nobody_needs_to_be_told() -> None:
    told(None)(RECORD)


def test_endings_have_the_words_that_are_documented() -> None:
    """Alerts and workbooks ask for them."""
    row = next(line for line in OPERATIONS.splitlines() if line.startswith("| `segment.ending` |"))
    words = set(re.findall(r"`([a-z]+)`", row))
    assert words == {str(ending) for ending in Ending}
