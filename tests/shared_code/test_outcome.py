import logging
from dataclasses import replace

import pytest

from shared_code.outcome import Edge, Ending, Outcome, log_outcome
from shared_code.progress import Findings, Stage, StageName

OUTCOME = Outcome(
    id="0b3e",
    edge=Edge.HTTP,
    ending=Ending.SENT,
    mode="backgroundRemoval",
    findings=Findings(megapixels=12.19, uncertainty=0.034),
    error_id=None,
    bytes_out=8_123_456,
    began=1_700_000_000.0,
    milliseconds=512.4,
    stages=(Stage(StageName.RECEIVE, 0, 20.2), Stage(StageName.DECODE, 21, 80)),
)


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (
            OUTCOME,
            "picture 0b3e: edge=http ending=sent mode=backgroundRemoval megapixels=12.19 uncertainty=0.03 "
            "error=- bytes=8123456 ms=512 receive=20 decode=59",
        ),
        (
            replace(
                OUTCOME,
                edge=Edge.BLOB,
                ending=Ending.REFUSED,
                mode=None,
                findings=Findings(),
                error_id="E-401",
                bytes_out=0,
                stages=(),
            ),
            "picture 0b3e: edge=blob ending=refused mode=- megapixels=- uncertainty=- "
            "error=E-401 bytes=0 ms=512 ",
        ),
    ],
)
def test_one_line_of_log(outcome: Outcome, line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_outcome(outcome)
    assert caplog.messages == [line]
