import pytest

from cutout_function.decision import (
    ROUNDS,
    Action,
    CutOut,
    Explain,
    Finish,
    GiveUp,
    Happened,
    Known,
    Look,
    OutputBlob,
    Refused,
    Result,
    SourceBlob,
    Stored,
    Tidy,
    decide,
)
from cutout_function.event import Ignored

NAMES = ("a b", "a%20b")
SOURCE = SourceBlob("a b", "now", 10)
ARCHIVED = SourceBlob("a b", "now", 10, set_aside=Result.ARCHIVED)
OLD, PNG, ERROR = (
    OutputBlob("a b.png", "1", "before"),
    OutputBlob("a b.png", "2", "now"),
    OutputBlob("a b.error.json", "3", "now"),
)
OLD_ERROR = OutputBlob("a b.error.json", "4", "before")
IGNORED = Ignored("a folder")
DOCUMENT = b"{}"


@pytest.mark.parametrize(
    ("known", "action"),
    [
        (Known(IGNORED), Finish(IGNORED)),
        (Known(NAMES), Look(NAMES)),
        (Known(NAMES, rounds=ROUNDS), GiveUp("'a b' keeps changing")),
        (Known(NAMES, Stored(None)), Finish(Result.GONE)),
        (Known(NAMES, Stored(ARCHIVED)), Finish(Result.ARCHIVED)),
        (Known(NAMES, Stored(ARCHIVED, PNG)), Finish(Result.ALREADY_DONE)),
        (Known(NAMES, Stored(SOURCE)), CutOut(SOURCE, None)),
        (Known(NAMES, Stored(SOURCE, OLD)), CutOut(SOURCE, OLD)),
        (Known(NAMES, Stored(SOURCE, None, OLD_ERROR)), CutOut(SOURCE, None)),
        (Known(NAMES, Stored(SOURCE, OLD, OLD_ERROR)), CutOut(SOURCE, OLD)),
        (Known(NAMES, Stored(SOURCE, OLD), Refused(DOCUMENT)), Explain(SOURCE, DOCUMENT, None)),
        (
            Known(NAMES, Stored(SOURCE, OLD, OLD_ERROR), Refused(DOCUMENT)),
            Explain(SOURCE, DOCUMENT, OLD_ERROR),
        ),
        (Known(NAMES, Stored(SOURCE, PNG)), Finish(Result.ALREADY_DONE)),
        (Known(NAMES, Stored(SOURCE, PNG), result=Result.CUT_OUT), Finish(Result.CUT_OUT)),
        (Known(NAMES, Stored(SOURCE, None, ERROR), result=Result.REFUSED), Finish(Result.REFUSED)),
        (Known(NAMES, Stored(SOURCE, PNG, OLD_ERROR)), Tidy(OLD_ERROR)),
        (Known(NAMES, Stored(SOURCE, OLD, ERROR)), Tidy(OLD)),
        (Known(NAMES, Stored(SOURCE, PNG, ERROR)), Tidy(ERROR)),
    ],
)
def test_the_next_action(known: Known, action: Action) -> None:
    assert decide(known) == action


def test_what_is_known_after_it() -> None:
    seen = Known(NAMES).after(Stored(SOURCE))
    assert seen == Known(NAMES, Stored(SOURCE), rounds=1)
    refused = seen.after(Refused(DOCUMENT))
    assert refused == Known(NAMES, Stored(SOURCE), Refused(DOCUMENT), rounds=1)
    assert refused.after(Happened.EXPLAINED) == Known(NAMES, result=Result.REFUSED, rounds=1)
    assert refused.after(Happened.CHANGED) == Known(NAMES, rounds=1)
    made = seen.after(Happened.CUT_OUT)
    assert made == Known(NAMES, result=Result.CUT_OUT, rounds=1)
    assert made.after(Stored(SOURCE, PNG)).after(Happened.TIDIED).result is Result.CUT_OUT


def test_every_job_ends() -> None:
    """Whatever happens, and whatever is seen."""
    for source in (SOURCE, SourceBlob("a b", "later", 10)):
        for happened in Happened:
            known, actions = Known(NAMES), 0
            while not isinstance(action := decide(known), Finish | GiveUp):
                actions += 1
                news = Stored(source, OLD, ERROR) if isinstance(action, Look) else happened
                known = known.after(news)
            assert actions <= 2 * ROUNDS
