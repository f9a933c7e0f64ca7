import time

import pytest

from shared_code.progress import Abandoned, Progress, StageName


def test_stages_by_their_beginning() -> None:
    progress = Progress()
    with progress.stage(StageName.DECODE), progress.stage(StageName.NETWORK):
        pass
    first, second = progress.stages
    assert (first.name, second.name) == (StageName.DECODE, StageName.NETWORK)
    assert first.begin_ms <= second.begin_ms <= second.end_ms <= first.end_ms
    assert first.milliseconds == first.end_ms - first.begin_ms


def test_a_stage_that_fails_is_one_too() -> None:
    progress = Progress()
    with pytest.raises(ZeroDivisionError), progress.stage(StageName.MATTE):
        raise ZeroDivisionError
    assert [stage.name for stage in progress.stages] == [StageName.MATTE]


def test_no_stage_begins_after_the_caller_has_left() -> None:
    progress = Progress()
    with progress.stage(StageName.DECODE):
        progress.abandon()
    with pytest.raises(Abandoned), progress.stage(StageName.MATTE):
        pass
    assert [stage.name for stage in progress.stages] == [StageName.DECODE]


def test_time_goes_by_in_milliseconds() -> None:
    before = time.monotonic()
    progress = Progress()
    made = time.monotonic()
    time.sleep(0.01)
    least = time.monotonic() - made
    elapsed_ms = progress.elapsed_ms
    assert least * 1000 <= elapsed_ms <= (time.monotonic() - before) * 1000


def test_what_is_to_end_is_ended_once() -> None:
    progress = Progress()
    ended: list[str] = []
    progress.on_abandon(lambda: ended.append("running"))
    assert (progress.abandoned, ended) == (False, [])
    progress.abandon()
    progress.abandon()
    assert (progress.abandoned, ended) == (True, ["running"])


def test_what_begins_after_the_caller_has_left_is_ended_at_once() -> None:
    progress = Progress()
    ended: list[str] = []
    progress.abandon()
    progress.on_abandon(lambda: ended.append("begun late"))
    assert ended == ["begun late"]
