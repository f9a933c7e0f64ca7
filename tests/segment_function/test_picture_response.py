import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import cast

import pytest
from starlette.types import Message

from segment_function.picture_response import PictureResponse
from segment_function.responses import Exchange
from shared_code.admission import Admission
from shared_code.deadline import Deadline
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.progress import Findings
from shared_code.record import Edge, Ending, VisitRecord
from shared_code.stream import PictureStream
from shared_code.visit import Arrival, Visit
from tests.segment_function.asgi import DISCONNECT, Script, Sent, request, scope
from tests.support.patience import PATIENCE_S

LARGE = bytes(300_000)


@dataclass
class StreamFake:
    """Gives `parts`; a None among them waits for ever, an exception is raised."""

    parts: list[bytes | Exception | None]
    media_type: str = "image/png"
    closed: int = field(default=0, init=False)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if part is None:
                await asyncio.get_running_loop().create_future()
            elif isinstance(part, Exception):
                raise part
            else:
                yield part

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Scene:
    """One answer: what it was made of, and what came of it."""

    stream: StreamFake
    stall_s: float = PATIENCE_S
    deadline: Callable[[], Deadline] = lambda: Deadline.after(PATIENCE_S)
    sent: Sent = field(default_factory=Sent)
    records: list[VisitRecord] = field(default_factory=list)

    def run(self, send: Callable[[Message], Coroutine[object, object, None]], script: Script) -> None:
        exchange = Exchange(request())
        held = Admission(1, MAX_IMAGE_BYTES, PATIENCE_S).hold()
        visit = Visit(Arrival(exchange.id, Edge.HTTP), self.deadline(), held, self.records.append)
        visit.progress.findings = Findings(uncertainty=0.126)
        stream = cast(PictureStream, self.stream)
        response = PictureResponse(stream, exchange, visit, self.stall_s)
        assert self.stream.closed == 0
        with visit:
            asyncio.run(asyncio.wait_for(response(scope(), script, send), PATIENCE_S))

    @property
    def ending(self) -> tuple[Ending, str | None, int]:
        (record,) = self.records
        assert self.stream.closed == 1
        assert record.stages[-1].name == "send"
        return record.ending, record.error_id, record.bytes_out


def test_sent_whole() -> None:
    scene = Scene(StreamFake([b"one", b"two"]))
    scene.run(scene.sent, Script())
    sent = scene.sent
    assert (sent.status, sent.body, sent.headers["content-type"]) == (200, b"onetwo", "image/png")
    assert [message.get("body") for message in sent.messages[1:]] == [b"one", b"two", b""]
    assert sent.headers["x-segment-uncertainty"] == "0.13"
    assert sent.headers["vary"] == "Accept"
    assert "content-length" not in sent.headers
    assert sent.ended
    assert scene.ending == (Ending.SENT, None, 6)


def test_no_piece_is_large() -> None:
    scene = Scene(StreamFake([LARGE]))
    scene.run(scene.sent, Script())
    sizes = [len(message["body"]) for message in scene.sent.messages[1:]]
    assert max(sizes) <= 1 << 17
    assert sum(sizes) == len(LARGE)


def test_a_caller_who_leaves() -> None:
    scene = Scene(StreamFake([b"one", None]))
    scene.run(scene.sent, Script([DISCONNECT], pause_s=0.01))
    assert scene.ending == (Ending.LEFT, None, 3)
    assert not scene.sent.ended


def test_a_caller_who_takes_nothing() -> None:
    scene = Scene(StreamFake([LARGE]), stall_s=0.02)

    async def send(message: Message) -> None:
        await scene.sent(message)
        if len(scene.sent.messages) == 3:
            await asyncio.get_running_loop().create_future()

    scene.run(send, Script())
    assert scene.ending == (Ending.STALLED, None, 1 << 17)
    assert not scene.sent.ended


def test_a_call_whose_time_is_over() -> None:
    scene = Scene(StreamFake([b"one", None]), deadline=lambda: Deadline.after(0.2))
    scene.run(scene.sent, Script())
    assert scene.ending == (Ending.LATE, None, 3)
    assert not scene.sent.ended


def test_a_stream_that_breaks() -> None:
    scene = Scene(StreamFake([b"one", ZeroDivisionError()]))
    scene.run(scene.sent, Script())
    assert scene.ending == (Ending.FAILED, "E-500", 3)
    assert not scene.sent.ended


def test_a_server_that_ends() -> None:
    scene = Scene(StreamFake([b"one"]))

    async def send(_message: Message) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        scene.run(send, Script())
    assert scene.ending == (Ending.LEFT, None, 0)
