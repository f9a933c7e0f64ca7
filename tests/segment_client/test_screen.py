"""What is shown where there is no terminal."""

import asyncio
from pathlib import Path

import pytest

from segment_client import Answer, Outcome, Result
from segment_client.errors import Broken, ErrorDocument, Refused
from segment_client.screen import Screen, Tally


def made(name: str, uncertainty: float | None) -> Outcome:
    return Outcome(Path(name), Result.DONE, answer=Answer(1, 1, 70, uncertainty, "id"))


def summary(tally: Tally, capsys: pytest.CaptureFixture[str]) -> list[str]:
    Screen().summarize(tally)
    return capsys.readouterr().err.splitlines()


def test_results_that_look_doubtful_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    for name, uncertainty in (("a", 0.0), ("b", 0.9), ("c", None), ("d", 0.2), ("e", 0.19), ("f\n", 1.0)):
        tally.add(made(name, uncertainty))
    assert summary(tally, capsys) == [
        "6 cut out, 0 already there, 0 failed",
        r"3 results look doubtful: b, d, f\n",
    ]


@pytest.mark.parametrize(
    ("count", "end"), [(1, "1 result looks doubtful: 0"), (20, ", 19"), (22, ", 18, 19, and 2 more")]
)
def test_one_and_many(count: int, end: str, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    for number in range(count):
        tally.add(made(str(number), 1.0))
    assert summary(tally, capsys)[-1].endswith(end)


def test_what_ends_the_run_is_not_told_for_each_picture(capsys: pytest.CaptureFixture[str]) -> None:
    screen, tally = Screen(), Tally()
    for error in (
        Refused(401, ErrorDocument(), None, ""),
        Broken("x"),
        Refused(401, ErrorDocument(), None, ""),
    ):
        outcome = Outcome(Path("a.jpg"), Result.FAILED, error=error)
        tally.add(outcome)
        screen.add(outcome, tally)
    assert capsys.readouterr().err.splitlines() == ["a.jpg: C-STREAM x"]
    assert tally.failures == {"C-STREAM": 1}


def test_progress_has_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen, tally = Screen(), Tally()
    screen.expect(7)

    async def run() -> None:
        telling = asyncio.create_task(screen.tell_progress(tally, every_s=0.01))
        for name in ("a", "b"):
            tally.add(made(name, 0.0))
            await asyncio.sleep(0.1)
        telling.cancel()

    asyncio.run(run())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "1 of 7 pictures: 1 cut out, 0 already there, 0 failed",
        "2 of 7 pictures: 2 cut out, 0 already there, 0 failed",
    ]
