import asyncio
import gc
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest

from shared_code.admission import MemoryBudget
from shared_code.deadline import Deadline
from shared_code.errors import ImageFormatInvalid, InternalError, SegmentError, ServiceUnavailable
from shared_code.modes import Mode
from shared_code.outcome import Edge, Ending, Outcome
from shared_code.progress import Abandoned, Findings, StageName
from shared_code.visit import Arrival, Visit


def one_visit(deadline_s: float = 60) -> tuple[Visit, list[Outcome]]:
    outcomes: list[Outcome] = []
    budget = MemoryBudget(1 << 20, 1)
    visit = Visit(Arrival("id", Edge.BLOB), Deadline.after(deadline_s), budget.hold(), outcomes.append)
    return visit, outcomes


def test_everything_known_is_in_the_outcome() -> None:
    visit, outcomes = one_visit()
    visit.mode = Mode.FOREGROUND_MATTING
    visit.bytes_out = 7
    visit.progress.findings = Findings(megapixels=2.5, uncertainty=0.5)
    with visit.progress.stage(StageName.DECODE):
        pass
    visit.end(Ending.REFUSED, ImageFormatInvalid())
    (outcome,) = outcomes
    told = (outcome.id, outcome.edge, outcome.ending, outcome.mode, outcome.bytes_out, outcome.error_id)
    assert told == ("id", "blob", "refused", "foregroundMatting", 7, "E-FORMAT")
    assert outcome.findings == Findings(megapixels=2.5, uncertainty=0.5)
    assert [stage.name for stage in outcome.stages] == [StageName.DECODE]
    assert outcome.milliseconds >= outcome.stages[0].end_ms


def test_only_the_first_end_counts() -> None:
    visit, outcomes = one_visit()
    visit.end(Ending.LEFT)
    visit.end(Ending.SENT)
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
def test_a_fault_ends_the_visit(
    fault: Callable[[], BaseException], ending: Ending, error: type[SegmentError] | None
) -> None:
    visit, outcomes = one_visit()
    with pytest.raises(type(fault())), visit:
        raise fault()
    assert [(outcome.ending, outcome.error_id) for outcome in outcomes] == [(ending, error and error.id)]


def test_left_without_an_error_it_ends_as_sent() -> None:
    visit, outcomes = one_visit()
    with visit:
        assert outcomes == []
    assert visit.ending is Ending.SENT
    assert [outcome.ending for outcome in outcomes] == [Ending.SENT]


def test_a_cancellation_after_the_deadline_means_that_it_passed() -> None:
    visit, outcomes = one_visit(deadline_s=0)
    with pytest.raises(asyncio.CancelledError), visit:
        raise asyncio.CancelledError
    assert [(outcome.ending, outcome.error_id) for outcome in outcomes] == [(Ending.LATE, None)]


@pytest.mark.parametrize("fault", [None, ImageFormatInvalid])
def test_the_memory_of_the_file_is_given_back(fault: type[Exception] | None) -> None:
    budget = MemoryBudget(1 << 20, 1)
    visit = Visit(Arrival("id", Edge.HTTP), Deadline.after(60), budget.hold(), lambda outcome: None)
    with suppress(ImageFormatInvalid), visit:
        visit.held.grow(1000)
        assert budget.taken_bytes == 1000
        if fault is not None:
            raise fault
    assert budget.taken_bytes == 0


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
        visit, _ = one_visit()
        with suppress(ImageFormatInvalid), visit:
            await read()

    gc.disable()
    try:
        asyncio.run(scene())
        assert [picture() for picture in left] == [None]
    finally:
        gc.enable()
