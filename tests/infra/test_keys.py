"""When a rotation of keys holds a key for taken; the whole of it is rehearsed in tests/azd."""

from types import SimpleNamespace

import pytest

from infra import keys

TAKEN, REFUSED, AWAY = 400, 401, 503


class Service:
    """Gives these answers one after the other, the last one for ever; time passes only where it is slept."""

    def __init__(self, *answers: int) -> None:
        self.asked, self.refreshed = 0, 0
        self.slept: list[float] = []
        self._answers = answers

    def answer_to(self, _: str) -> int:
        self.asked += 1
        return self._answers[min(self.asked, len(self._answers)) - 1]

    def resolve_references_again(self) -> None:
        self.refreshed += 1

    def monotonic(self) -> float:
        return 1000 + sum(self.slept)


def taken(monkeypatch: pytest.MonkeyPatch, service: Service, *, refresh: bool) -> bool:
    """Whether the key becomes taken."""
    monkeypatch.setattr(
        keys, "time", SimpleNamespace(monotonic=service.monotonic, sleep=service.slept.append)
    )
    monkeypatch.setattr(keys, "answer_to", service.answer_to)
    monkeypatch.setattr(keys, "resolve_references_again", service.resolve_references_again)
    return keys.becomes_taken("a key", refresh=refresh)


def test_five_answers_in_a_row_must_be_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """One instance of several may still have the old key."""
    service = Service(*[TAKEN] * 4, REFUSED, TAKEN)
    assert taken(monkeypatch, service, refresh=True)
    assert service.asked == 4 + 1 + 5


@pytest.mark.parametrize("answers", [(REFUSED,), (AWAY, TAKEN, REFUSED)])
def test_one_that_is_refused_is_refused(monkeypatch: pytest.MonkeyPatch, answers: tuple[int, ...]) -> None:
    service = Service(*answers)
    assert not taken(monkeypatch, service, refresh=False)
    assert (service.asked, service.refreshed) == (len(answers), 0)


def test_the_service_is_made_to_read_its_keys_until_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and once more after a minute."""
    service = Service(*[REFUSED] * 31, TAKEN)
    assert taken(monkeypatch, service, refresh=True)
    assert (sum(service.slept), service.refreshed) == (62, 2)


@pytest.mark.parametrize("refresh", [False, True])
def test_patience_ends(monkeypatch: pytest.MonkeyPatch, refresh: bool) -> None:
    service = Service(AWAY)
    assert not taken(monkeypatch, service, refresh=refresh)
    assert sum(service.slept) == keys.PATIENCE_S
