import pytest

from cutout_function.decision import (
    ROUNDS,
    Action,
    Conclusion,
    Explain,
    Finish,
    GiveUp,
    Happened,
    Inspect,
    Known,
    Make,
    OutputBlob,
    Refused,
    Seen,
    SourceBlob,
    Tidy,
    decide,
)
from cutout_function.event import Ignored

NAMES = ("a b", "a%20b")
SOURCE = SourceBlob("a b", "now", 10)
ARCHIVED = SourceBlob("a b", "now", 10, set_aside=Conclusion.ARCHIVED)
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
        (Known(NAMES), Inspect(NAMES)),
        (Known(NAMES, rounds=ROUNDS), GiveUp("'a b' keeps changing")),
        (Known(NAMES, Seen(None)), Finish(Conclusion.GONE)),
        (Known(NAMES, Seen(ARCHIVED)), Finish(Conclusion.ARCHIVED)),
        (Known(NAMES, Seen(ARCHIVED, PNG)), Finish(Conclusion.ALREADY_DONE)),
        (Known(NAMES, Seen(SOURCE)), Make(SOURCE, None)),
        (Known(NAMES, Seen(SOURCE, OLD)), Make(SOURCE, OLD)),
        (Known(NAMES, Seen(SOURCE, None, OLD_ERROR)), Make(SOURCE, None)),
        (Known(NAMES, Seen(SOURCE, OLD, OLD_ERROR)), Make(SOURCE, OLD)),
        (Known(NAMES, Seen(SOURCE, OLD), Refused(DOCUMENT)), Explain(SOURCE, DOCUMENT, None)),
        (
            Known(NAMES, Seen(SOURCE, OLD, OLD_ERROR), Refused(DOCUMENT)),
            Explain(SOURCE, DOCUMENT, OLD_ERROR),
        ),
        (Known(NAMES, Seen(SOURCE, PNG)), Finish(Conclusion.ALREADY_DONE)),
        (Known(NAMES, Seen(SOURCE, PNG), conclusion=Conclusion.CUT_OUT), Finish(Conclusion.CUT_OUT)),
        (Known(NAMES, Seen(SOURCE, None, ERROR), conclusion=Conclusion.REFUSED), Finish(Conclusion.REFUSED)),
        (Known(NAMES, Seen(SOURCE, PNG, OLD_ERROR)), Tidy(OLD_ERROR)),
        (Known(NAMES, Seen(SOURCE, OLD, ERROR)), Tidy(OLD)),
        (Known(NAMES, Seen(SOURCE, PNG, ERROR)), Tidy(ERROR)),
    ],
)
def test_the_next_action(known: Known, action: Action) -> None:
    assert decide(known) == action


def test_what_is_known_after_it() -> None:
    seen = Known(NAMES).after(Seen(SOURCE))
    assert seen == Known(NAMES, Seen(SOURCE), rounds=1)
    refused = seen.after(Refused(DOCUMENT))
    assert refused == Known(NAMES, Seen(SOURCE), Refused(DOCUMENT), rounds=1)
    assert refused.after(Happened.EXPLAINED) == Known(NAMES, conclusion=Conclusion.REFUSED, rounds=1)
    assert refused.after(Happened.CHANGED) == Known(NAMES, rounds=1)
    made = seen.after(Happened.CUT_OUT)
    assert made == Known(NAMES, conclusion=Conclusion.CUT_OUT, rounds=1)
    assert made.after(Seen(SOURCE, PNG)).after(Happened.TIDIED).conclusion is Conclusion.CUT_OUT


def test_every_job_ends() -> None:
    """Whatever happens, and whatever is seen."""
    for source in (SOURCE, SourceBlob("a b", "later", 10)):
        for happened in Happened:
            known, actions = Known(NAMES), 0
            while not isinstance(action := decide(known), Finish | GiveUp):
                actions += 1
                news = Seen(source, OLD, ERROR) if isinstance(action, Inspect) else happened
                known = known.after(news)
            assert actions <= 2 * ROUNDS
