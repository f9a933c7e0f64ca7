import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from shared_code.errors import ImageFormatInvalid, InternalError, SegmentError, ServiceUnavailable
from shared_code.outcome import Edge, Ending, Outcome, Record, log_outcome
from shared_code.progress import Abandoned, Progress, Stage, StageName

OUTCOME = Outcome(
    id="0b3e",
    edge=Edge.HTTP,
    ending=Ending.SENT,
    mode="backgroundRemoval",
    megapixels=12.19,
    uncertainty=0.034,
    error_id=None,
    bytes_out=8_123_456,
    began=1_700_000_000.0,
    milliseconds=512.4,
    stages=(Stage(StageName.RECEIVE, 0, 20.2), Stage(StageName.DECODE, 21, 80)),
)


def one_record() -> tuple[Record, list[Outcome]]:
    outcomes: list[Outcome] = []
    return Record("id", Edge.BLOB, outcomes.append), outcomes


def test_everything_known_is_in_the_outcome() -> None:
    record, outcomes = one_record()
    record.mode = "foregroundMatting"
    record.bytes_out = 7
    record.progress.megapixels = 2.5
    record.progress.uncertainty = 0.5
    with record.progress.stage(StageName.DECODE):
        pass
    record.end(Ending.REFUSED, ImageFormatInvalid())
    (outcome,) = outcomes
    told = (outcome.id, outcome.edge, outcome.ending, outcome.mode, outcome.bytes_out, outcome.error_id)
    assert told == ("id", "blob", "refused", "foregroundMatting", 7, "E-FORMAT")
    assert (outcome.megapixels, outcome.uncertainty) == (2.5, 0.5)
    assert [stage.name for stage in outcome.stages] == [StageName.DECODE]
    assert outcome.milliseconds >= outcome.stages[0].end_ms


def test_only_the_first_end_counts() -> None:
    record, outcomes = one_record()
    record.end(Ending.LEFT)
    record.end(Ending.SENT)
    assert [outcome.ending for outcome in outcomes] == [Ending.LEFT]


@pytest.mark.parametrize(
    ("fault", "ending", "error"),
    [
        (ImageFormatInvalid, Ending.REFUSED, ImageFormatInvalid),
        (ServiceUnavailable, Ending.FAILED, ServiceUnavailable),
        (ZeroDivisionError, Ending.FAILED, InternalError),
        (Abandoned, Ending.LEFT, None),
        (asyncio.CancelledError, Ending.LEFT, None),
    ],
)
def test_a_fault_ends_the_record(
    fault: Callable[[], BaseException], ending: Ending, error: type[SegmentError] | None
) -> None:
    record, outcomes = one_record()
    with pytest.raises(type(fault())), record.faults():
        raise fault()
    assert [(outcome.ending, outcome.error_id) for outcome in outcomes] == [(ending, error and error.id)]


def test_a_success_does_not() -> None:
    record, outcomes = one_record()
    with record.faults():
        pass
    assert outcomes == []


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
                megapixels=None,
                uncertainty=None,
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


class TestProgress:
    def test_stages_by_their_beginning(self) -> None:
        progress = Progress()
        with progress.stage(StageName.DECODE), progress.stage(StageName.NETWORK):
            pass
        first, second = progress.stages
        assert (first.name, second.name) == (StageName.DECODE, StageName.NETWORK)
        assert first.begin_ms <= second.begin_ms <= second.end_ms <= first.end_ms
        assert first.milliseconds == first.end_ms - first.begin_ms

    def test_a_stage_that_fails_is_one_too(self) -> None:
        progress = Progress()
        with pytest.raises(ZeroDivisionError), progress.stage(StageName.MATTE):
            raise ZeroDivisionError
        assert [stage.name for stage in progress.stages] == [StageName.MATTE]

    def test_no_stage_begins_after_the_caller_has_left(self) -> None:
        progress = Progress()
        with progress.stage(StageName.DECODE):
            progress.abandon()
        with pytest.raises(Abandoned), progress.stage(StageName.MATTE):
            pass
        assert [stage.name for stage in progress.stages] == [StageName.DECODE]


def test_an_error_holds_nothing_of_what_it_came_through() -> None:
    """Without a garbage collection: a task and the frame that awaits it hold each other by the error."""

    class Picture:
        pass

    left: list[weakref.ref[Picture]] = []

    async def read() -> None:
        picture = Picture()
        left.append(weakref.ref(picture))
        reading = asyncio.create_task(refuse(picture))
        await asyncio.wait([reading])
        reading.result()

    async def refuse(_: Picture) -> None:
        try:
            raise TimeoutError
        except TimeoutError:
            raise ImageFormatInvalid from None

    async def scene() -> None:
        record, _ = one_record()
        with suppress(ImageFormatInvalid), record.faults():
            await read()

    gc.disable()
    try:
        asyncio.run(scene())
        assert [picture() for picture in left] == [None]
    finally:
        gc.enable()
