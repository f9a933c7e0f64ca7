"""Back-off and circuit, with endpoints that are functions."""

import asyncio
import email.utils
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from tenacity import AsyncRetrying, RetryCallState

from segment_client.answer import retry_after_s
from segment_client.circuit import Circuit
from segment_client.errors import Broken, ClientError, ErrorDocument, GivenUp, Refused, Unreachable
from segment_client.options import Patience
from segment_client.retry import _Wait, persist
from tests.support.patience import PATIENCE_S

HASTY = Patience(
    attempts=4,
    first_wait_s=0.001,
    longest_wait_s=0.002,
    failures_to_open=3,
    probe_every_s=0.05,
    give_up_after_s=PATIENCE_S,
)


def failing(times: int, error: Callable[[], ClientError]) -> tuple[Callable[[], object], list[None]]:
    """A function that fails some times, and the list of its calls."""
    calls: list[None] = []

    async def send() -> str:
        calls.append(None)
        if len(calls) <= times:
            raise error()
        return "PNG"

    return send, calls


def refused(status: int, retry_after_s: float | None = None) -> Callable[[], ClientError]:
    return lambda: Refused(status, ErrorDocument(), retry_after_s, "")


@pytest.mark.parametrize(
    ("error", "times", "calls"),
    [
        (refused(429), 3, 4),
        (refused(500), 3, 4),
        (lambda: Broken("x"), 3, 4),
        (lambda: Unreachable("x"), 10, 11),  # nobody was there to be asked; time ends that, not a count
    ],
)
def test_passes(error: Callable[[], ClientError], times: int, calls: int) -> None:
    send, made = failing(times, error)
    assert asyncio.run(persist(send, Circuit(HASTY), HASTY)) == ("PNG", calls)  # type: ignore[arg-type]
    assert len(made) == calls


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (refused(400), 1),
        (refused(401), 1),
        (refused(429), 4),
        (refused(429, PATIENCE_S + 1), 1),
        (refused(500), 4),
        (lambda: Broken("x"), 4),
    ],
)
def test_does_not_pass(error: Callable[[], ClientError], calls: int) -> None:
    send, made = failing(100, error)
    with pytest.raises(type(error())) as raised:
        asyncio.run(persist(send, Circuit(HASTY), HASTY))  # type: ignore[arg-type]
    assert len(made) == raised.value.attempts == calls


@pytest.mark.parametrize("error", [refused(502), refused(503), refused(504), lambda: Unreachable("x")])
def test_nobody_there(error: Callable[[], ClientError]) -> None:
    """It is the endpoint that is given up, and not the picture that is found wrong."""
    patience = replace(HASTY, give_up_after_s=0.4)
    send, made = failing(1000, error)
    with pytest.raises(GivenUp):
        asyncio.run(persist(send, Circuit(patience), patience))  # type: ignore[arg-type]
    assert len(made) > patience.attempts


def test_waits_grow_and_come_on_top_ofretry_after_s() -> None:
    patience = Patience(first_wait_s=1, longest_wait_s=30)
    wait = _Wait(patience)

    def longest(attempt: int, error: ClientError) -> float:
        state = RetryCallState(AsyncRetrying(), None, (), {})
        state.attempt_number = attempt
        state.set_exception((type(error), error, error.__traceback__))
        waits = [wait(state) for _ in range(200)]
        assert len(set(waits)) > 100, "no jitter"
        return max(waits)

    assert longest(1, Broken("x")) <= 1
    assert 4 < longest(4, Broken("x")) <= 8
    assert 20 < longest(20, Broken("x")) <= 30
    assert 7 <= longest(1, Refused(429, ErrorDocument(), 7.0, "")) <= 8


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), ("2", 2.0), ("0", 0.0), ("-3", 0.0), ("soon", None), ("nan", None)]
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds


def test_retry_after_as_a_date() -> None:
    later = retry_after_s(email.utils.formatdate(time.time() + 100, usegmt=True))
    assert later is not None
    assert 0 < later <= 100
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_one_probes_for_all(caplog: pytest.LogCaptureFixture) -> None:
    """Eight callers, an endpoint dead for 20 attempts: once it is known to be, one at a time is sent."""
    numbers, inside, most_dead, most_alive = count(1), 0, 0, 0
    circuit = Circuit(HASTY)

    async def send() -> str:
        nonlocal inside, most_dead, most_alive
        number = next(numbers)
        inside += 1
        if not circuit.is_closed():
            most_dead = max(most_dead, inside)
        await asyncio.sleep(0.01)
        if number > 21:
            most_alive = max(most_alive, inside)
        inside -= 1
        if number <= 20:
            raise Unreachable("nobody")
        return "PNG"

    async def run() -> list[tuple[str, int]]:
        return await asyncio.gather(*(persist(send, circuit, HASTY) for _ in range(8)))

    assert [made for made, _ in asyncio.run(run())] == ["PNG"] * 8
    assert most_dead == 1
    assert most_alive > 1
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "The endpoint keeps failing",
        "The endpoint answers again.",
    ]


def test_patience_ends_for_all() -> None:
    patience = replace(HASTY, give_up_after_s=0.3)
    circuit = Circuit(patience)

    async def send() -> str:
        raise Unreachable("nobody")

    async def run() -> list[BaseException | tuple[str, int]]:
        return await asyncio.gather(
            *(persist(send, circuit, patience) for _ in range(8)), return_exceptions=True
        )

    assert {type(result) for result in asyncio.run(run())} == {GivenUp}


def test_an_answer_is_a_sign_of_life() -> None:
    """A picture that is refused for its own sake does not open the circuit."""
    circuit = Circuit(HASTY)
    send, _ = failing(1000, refused(400))
    for _ in range(10):
        with pytest.raises(Refused):
            asyncio.run(persist(send, circuit, HASTY))  # type: ignore[arg-type]
    assert circuit.is_closed()


@pytest.mark.parametrize(("status", "stays_closed"), [(429, True), (499, True), (500, False)])
def test_which_answers_open_the_circuit(status: int, stays_closed: bool) -> None:
    circuit = Circuit(HASTY)

    async def run() -> None:
        for _ in range(HASTY.failures_to_open):
            with pytest.raises(Refused):
                async with circuit.attempt():
                    raise refused(status)()

    asyncio.run(run())
    assert circuit.is_closed() is stays_closed
