import asyncio

import pytest

from segment_function.connection import CallerLeft, drop, while_connected
from tests.segment_function.asgi import DISCONNECT, Script, chunks


class TransportFake(asyncio.WriteTransport):
    aborted = False

    def abort(self) -> None:
        self.aborted = True


class Cycle:
    """What uvicorn calls what it makes `send` of."""

    def __init__(self) -> None:
        self.transport = TransportFake()

    async def send(self, _message: object) -> None:
        raise AssertionError("nothing is to be sent")


async def seven() -> int:
    await asyncio.sleep(0)
    return 7


async def never() -> int:
    await asyncio.get_running_loop().create_future()
    return 0


async def broken() -> int:
    raise ZeroDivisionError


@pytest.mark.parametrize("rest", [[], chunks(b"a", b"b")], ids=["nothing more", "more of the body"])
def test_the_work_of_a_caller_who_stays(rest: list[dict[str, object]]) -> None:
    assert asyncio.run(while_connected(Script(rest), seven())) == 7


def test_the_work_of_one_who_leaves_is_cancelled() -> None:
    async def scene() -> None:
        ended = asyncio.Event()

        async def work() -> int:
            try:
                return await never()
            finally:
                ended.set()

        with pytest.raises(CallerLeft):
            await while_connected(Script([*chunks(b""), DISCONNECT]), work())
        assert ended.is_set()

    asyncio.run(scene())


def test_faults_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(while_connected(Script(), broken()))


def test_drop() -> None:
    cycle = Cycle()
    asyncio.run(drop(cycle.send))
    assert cycle.transport.aborted


def test_drop_on_another_server() -> None:
    async def send(_message: object) -> None:
        raise AssertionError("nothing is to be sent")

    asyncio.run(drop(send))
