"""The caller's end of the connection: detect that it was closed, or close it."""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress

from starlette.types import Receive, Send

from shared_code.progress import Abandoned

_DISCARD = struct.pack("ii", 1, 0)
"""socket(7): close at once, without the system sending what it has."""


class CallerLeft(Abandoned):
    """The connection is closed, so there is nobody to answer."""


async def while_connected[T](receive: Receive, work: Coroutine[object, object, T]) -> T:
    """The result of `work`. When the caller leaves first, `work` is cancelled, and CallerLeft raised.

    To be used once the request's body is read: whatever still comes of it is dropped.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerLeft
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def drop(send: Send) -> None:
    """Reset the connection behind `send`, so that nothing is kept of what is written and not yet taken.

    ASGI has no message for it. uvicorn, which serves this on a laptop and in the Functions worker, closes by
    itself when an answer is not ended, but not before the caller has read what is in the buffer.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if isinstance(transport, asyncio.WriteTransport):
        connection = transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):  # closed in this very moment
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
        transport.abort()
        await asyncio.sleep(0)  # uvicorn is told then, and takes the answer for ended
