"""What passes between service, zygote and rooms arrives as it was sent."""

from dataclasses import MISSING, fields

import pytest

from shared_code.room.messages import REASON_BYTES, Ended, Job, Message, Reply, Request


@pytest.mark.parametrize("kind", [Job, Ended, Request, Reply])
def test_each_number_has_a_place_of_its_own(kind: type[Message]) -> None:
    texts = {"reason": b"why".ljust(REASON_BYTES, b"\0")}
    numbers = {field.name: place for place, field in enumerate(fields(kind), 1)}  # type: ignore[arg-type]
    sent = kind(**numbers | {name: text for name, text in texts.items() if name in numbers})
    assert len(sent.pack()) == kind.size()
    assert kind.unpack(sent.pack()) == sent


def test_a_reason_is_one_line_of_the_log() -> None:
    assert Reply(1, 0, reason=b"a\nb\x1b\x1f c~\x7f\x80\xff\0").told == "ab c~"


@pytest.mark.parametrize(
    "sent", [Job(1, 1), Ended(1, 0), Request(1, 1), Reply(1, 0)], ids=lambda sent: type(sent).__name__
)
def test_what_is_not_said_is_nothing(sent: Message) -> None:
    said = {field.name: getattr(sent, field.name) for field in fields(sent) if field.default is not MISSING}  # type: ignore[arg-type]
    once = {"threads", "scale", "preview_scale"}
    assert {name: value for name, value in said.items() if value} == dict.fromkeys(once & said.keys(), 1)
