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
    """The caller has closed the connection."""


async def while_connected[T](receive: Receive, work: Coroutine[object, object, T]) -> T:
    """The result of `work`. If the caller disconnects first, cancels `work` and raises CallerLeft.

    To be used after the request's body is read, because it drops the rest of the body.
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
    """Reset the connection behind `send`, and discard what the caller has not read yet.

    ASGI has no message for this. uvicorn, which serves on laptops and in the Functions worker, closes the
    connection of an incomplete answer by itself, but only after the caller has read what is buffered.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if isinstance(transport, asyncio.WriteTransport):
        connection = transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):  # closed in the meantime
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
        transport.abort()
        await asyncio.sleep(0)  # uvicorn notices, and regards the answer as ended
