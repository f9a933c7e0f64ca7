import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest

from shared_code.admission import Admission
from shared_code.deadline import Deadline
from shared_code.errors import ImageFormatInvalid, InternalError, SegmentError, ServiceUnavailable
from shared_code.modes import Mode
from shared_code.progress import Abandoned, Findings, StageName
from shared_code.record import Edge, Ending, VisitRecord
from shared_code.visit import Arrival, Visit


def one_visit(deadline_s: float = 60) -> tuple[Visit, list[VisitRecord]]:
    records: list[VisitRecord] = []
    budget = Admission(1, 1 << 20, 1)
    visit = Visit(Arrival("id", Edge.BLOB), Deadline.after(deadline_s), budget.hold(), records.append)
    return visit, records


def test_everything_known_is_in_the_record() -> None:
    visit, records = one_visit()
    visit.mode = Mode.FOREGROUND_MATTING
    visit.bytes_out = 7
    visit.progress.findings = Findings(megapixels=2.5, uncertainty=0.5)
    with visit.progress.stage(StageName.DECODE):
        pass
    visit.end(Ending.REFUSED, ImageFormatInvalid())
    (record,) = records
    told = (record.id, record.edge, record.ending, record.mode, record.bytes_out, record.error_id)
    assert told == ("id", "blob", "refused", "foregroundMatting", 7, "E-FORMAT")
    assert record.findings == Findings(megapixels=2.5, uncertainty=0.5)
    assert [stage.name for stage in record.stages] == [StageName.DECODE]
    assert record.milliseconds >= record.stages[0].end_ms


def test_what_arrives_is_counted_and_held() -> None:
    budget, records = Admission(1, 1 << 20, 1), list[VisitRecord]()
    visit = Visit(Arrival("id", Edge.HTTP), Deadline.after(60), budget.hold(), records.append)
    with visit:
        for size_bytes in (400, 600):
            visit.arriving(size_bytes)
        assert budget.taken_bytes == 1000
    assert [(record.bytes_in, record.bytes_out) for record in records] == [(1000, 0)]
    assert records[0].queue_age_s is None


def test_age_of_a_message() -> None:
    records: list[VisitRecord] = []
    queued_at = time.time() - 100
    arrival = Arrival("id", Edge.BLOB, queued_at=queued_at)
    with Visit(arrival, Deadline.after(60), Admission(1, 1 << 20, 1).hold(), records.append) as visit:
        assert visit.ending is None
    (age_s,) = [record.queue_age_s for record in records]
    assert age_s is not None
    assert 100 <= age_s <= time.time() - queued_at


def test_only_the_first_end_counts() -> None:
    visit, records = one_visit()
    visit.end(Ending.LEFT)
    visit.end(Ending.SENT)
    assert [record.ending for record in records] == [Ending.LEFT]


@pytest.mark.parametrize(
    ("fault", "ending", "error"),
    [
        (ImageFormatInvalid, Ending.REFUSED, ImageFormatInvalid),
        (InternalError, Ending.FAILED, InternalError),
        (ServiceUnavailable, Ending.FAILED, ServiceUnavailable),
        (ZeroDivisionError, Ending.FAILED, InternalError),
        (Abandoned, Ending.LEFT, None),
        (asyncio.CancelledError, Ending.LEFT, None),
    ],
)
def test_a_fault_ends_the_visit(
    fault: Callable[[], BaseException], ending: Ending, error: type[SegmentError] | None
) -> None:
    visit, records = one_visit()
    with pytest.raises(type(fault())), visit:
        raise fault()
    assert [(record.ending, record.error_id) for record in records] == [(ending, error and error.id)]


def test_left_without_an_error_it_ends_as_sent() -> None:
    visit, records = one_visit()
    with visit:
        assert records == []
    assert visit.ending is Ending.SENT
    assert [record.ending for record in records] == [Ending.SENT]


def test_a_cancellation_after_the_deadline_means_that_it_passed() -> None:
    visit, records = one_visit(deadline_s=0)
    with pytest.raises(asyncio.CancelledError), visit:
        raise asyncio.CancelledError
    assert [(record.ending, record.error_id) for record in records] == [(Ending.LATE, None)]


@pytest.mark.parametrize("fault", [None, ImageFormatInvalid])
def test_the_memory_of_the_file_is_given_back(fault: type[Exception] | None) -> None:
    budget = Admission(1, 1 << 20, 1)
    visit = Visit(Arrival("id", Edge.HTTP), Deadline.after(60), budget.hold(), lambda _: None)
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
