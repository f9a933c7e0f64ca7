"""The operation from its request to its record, with an engine of its own and no server."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from azurefunctions.extensions.http.fastapi import Request
from PIL import Image
from starlette.types import Message

from segment_function import responses
from segment_function.api import SegmentApi
from segment_function.callers import KEY_HEADER, Gate
from shared_code import errors
from shared_code.engine import Engine, Usage
from shared_code.modes import Mode
from shared_code.record import Ending, VisitRecord
from shared_code.settings import load_settings
from tests.segment_function.asgi import DISCONNECT, Script, Sent, chunks, scope
from tests.shared_code.matte.networks import FlatNetwork, GatedNetwork, OneNetwork
from tests.support.patience import PATIENCE_S, until
from tests.support.photos import encoded
from tests.support.rooms import rooms

pytestmark = pytest.mark.slow

QUERY = "api-version=2023-02-01-preview&mode=backgroundRemoval"
SETTINGS = load_settings({"SEGMENT_MODEL": "u2netp", "SEGMENT_SLOTS": "1", "SEGMENT_API_KEYS": "shop=key"})
PHOTO = encoded("PNG", 600, 500)
SHORT_S = 0.05


@dataclass
class Service:
    """An API, and what its sink was told."""

    network: FlatNetwork = field(default_factory=FlatNetwork)
    deadline_s: float = PATIENCE_S
    records: list[VisitRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = replace(SETTINGS, deadline_s=self.deadline_s)
        self.engine = Engine(settings, OneNetwork(self.network), rooms())
        self._api = SegmentApi(settings, self.engine, Gate.of(settings), self.records.append)

    async def call(
        self, messages: Sequence[Message], key: str = "key", pause_s: float = 0, query: str = QUERY
    ) -> Sent:
        """Send a request whose body is these messages, as a server would."""
        sent = Sent()
        received = Script(messages, pause_s)
        request = Request(scope("POST", "/", query, {KEY_HEADER: key}), received, sent)
        response = await self._api.segment(request, {})
        await response(request.scope, received, sent)
        return sent

    async def is_at_rest(self) -> None:
        """Waits until nothing is used: a slot is free when the process that decoded has gone."""
        await until(lambda: self.engine.usage == Usage(0, 0, 0))

    @property
    def told(self) -> tuple[Ending, str | None]:
        (record,) = self.records
        return record.ending, record.error_id


def test_a_picture_that_is_sent() -> None:
    service = Service()
    sent = asyncio.run(service.call(chunks(PHOTO[:1000], PHOTO[1000:])))
    assert (sent.status, sent.ended) == (200, True)
    (record,) = service.records
    assert (record.ending, record.error_id, record.mode) == (Ending.SENT, None, "backgroundRemoval")
    assert (record.caller, record.bytes_in) == ("shop", len(PHOTO))
    assert (record.findings.format, record.findings.cold_start) == ("PNG", True)
    assert record.findings.network == "u2netp"
    assert (record.id, record.bytes_out) == (sent.headers["request-id"], len(sent.body))
    assert record.findings.megapixels == 0.3
    stages = [stage.name for stage in record.stages]
    assert (stages[0], stages[-1]) == ("receive", "send")
    assert {"header", "wait", "decode", "network", "matte", "encode"} < set(stages)
    assert "x-segment-box" not in sent.headers


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("network", "box"),
    [
        (FlatNetwork(left=0.5, top=0.25, right=0.75, bottom=0.75), (300, 125, 150, 250)),
        (FlatNetwork(left=0.5, top=0.5, right=0.5, bottom=0.5), (0, 0, 600, 500)),
    ],
    ids=["somewhere", "nowhere"],
)
def test_only_the_subject_is_answered_where_that_is_asked_for(
    network: FlatNetwork, box: tuple[int, int, int, int], mode: Mode
) -> None:
    query = f"api-version=2023-02-01-preview&mode={mode}"
    whole = asyncio.run(Service(network).call(chunks(PHOTO), query=query))
    sent = asyncio.run(Service(network).call(chunks(PHOTO), query=f"{query}&crop=subject"))
    assert (sent.status, sent.ended) == (200, True)
    left, top, width, height = map(int, sent.headers["x-segment-box"].split(","))
    with Image.open(io.BytesIO(sent.body)) as cut, Image.open(io.BytesIO(whole.body)) as all_of_it:
        assert cut.size == (width, height)
        expected = all_of_it.crop((left, top, left + width, top + height))
        assert np.abs(np.asarray(cut, np.int16) - np.asarray(expected)).max() <= 1
        assert np.asarray(cut)[..., -1].any() == np.asarray(all_of_it)[..., -1].any()
    room = 45  # of the margin, and of a matte that follows edges of the picture
    assert box[0] - room <= left <= box[0]
    assert box[1] - room <= top <= box[1]
    assert box[0] + box[2] <= left + width <= box[0] + box[2] + room
    assert box[1] + box[3] <= top + height <= box[1] + box[3] + room


@pytest.mark.parametrize(
    ("body", "key", "error"),
    [(PHOTO, "other", errors.AccessDenied), (b"text", "key", errors.ImageFormatInvalid)],
)
def test_a_picture_that_is_refused(body: bytes, key: str, error: type[errors.SegmentError]) -> None:
    service = Service()
    sent = asyncio.run(service.call(chunks(body), key))
    assert (sent.status, sent.body) == (error.status, error().body())
    assert service.told == (Ending.REFUSED, error.id)


def test_a_body_that_comes_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "_LINGER_S", SHORT_S)
    service = Service(deadline_s=SHORT_S)
    slow = chunks(*[b"x"] * 1000)
    sent = asyncio.run(asyncio.wait_for(service.call([*slow, DISCONNECT], pause_s=0.01), PATIENCE_S))
    assert (sent.status, sent.body) == (429, errors.TooManyRequests().body())
    assert service.told == (Ending.REFUSED, "E-429")


async def while_one_is_at_work(service: Service, then: Callable[[], Awaitable[None]]) -> None:
    assert isinstance(service.network, GatedNetwork)
    first = asyncio.create_task(service.call(chunks(PHOTO)))
    await service.network.has_started()
    await then()
    service.network.gate.set()
    assert (await first).status == 200


def test_work_that_takes_too_long() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        service = Service(network, deadline_s=SHORT_S)
        sent = await service.call(chunks(PHOTO))
        assert (sent.status, sent.headers["retry-after"]) == (429, "2")
        assert service.told == (Ending.REFUSED, "E-429")
        network.gate.set()

    asyncio.run(scene())


@pytest.mark.parametrize("at_work", [True, False], ids=["at work", "waiting"])
def test_a_caller_who_leaves_frees_his_slot(at_work: bool) -> None:
    async def scene() -> None:
        network = GatedNetwork()
        service = Service(network)

        async def leave() -> None:
            sent = await service.call([*chunks(PHOTO), DISCONNECT], pause_s=SHORT_S)
            assert sent.messages == []
            assert service.told == (Ending.LEFT, None)

        if at_work:
            await leave()
        else:
            await while_one_is_at_work(service, leave)
        network.gate.set()
        assert (await service.call(chunks(PHOTO))).status == 200
        await service.is_at_rest()

    asyncio.run(scene())


def test_nothing_of_a_call_stays() -> None:
    """However it ends: fifty calls of every kind leave slots and memory as they were."""

    async def scene() -> None:
        service = Service()
        kinds = [
            chunks(PHOTO),
            chunks(b"text"),
            chunks(PHOTO[:-40]),
            [*chunks(PHOTO), DISCONNECT],
            [DISCONNECT],
        ]
        for number in range(50):
            await service.call(kinds[number % len(kinds)])
        await service.is_at_rest()
        assert len(service.records) == 50

    asyncio.run(scene())
