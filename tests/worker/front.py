"""The HTTP side of the Functions host: routes a request, and forwards its bytes to the worker's own port.

Only the head is looked at: `x-ms-invocation-id` is added to it, and the connection is used once. All else
passes both ways as it comes. The worker is told of the invocation at the same time, without the body.
"""

import asyncio
import logging
import re
import uuid
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress

from tests.worker.library import Worker, WorkerError
from tests.worker.protocol import ParameterBinding, RpcHttp, TypedData
from tests.worker.routing import Route, choose

log = logging.getLogger(__name__)

_MAX_HEAD_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 16
_DRAIN_S = 5
_NO_FUNCTION = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REPLACED = re.compile(rb"(?im)^(?:connection|x-ms-invocation-id):[^\n]*\n")


class Front:
    """Serves the functions of one worker."""

    def __init__(self, worker: Worker, table: Sequence[Route]) -> None:
        self._worker = worker
        self._table = table
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, port: int) -> None:
        """Listen on loopback until cancelled."""

        def accept(reader: StreamReader, writer: StreamWriter) -> None:
            self._start(self._exchange(reader, writer))

        server = await asyncio.start_server(accept, "127.0.0.1", port, limit=_MAX_HEAD_BYTES)
        await server.serve_forever()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the event loop does not keep it alive
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
            chosen = choose(self._table, method, target)
            if chosen is None:
                writer.write(_NO_FUNCTION)
            else:
                await self._forward(reader, writer, head, self._invoke(*chosen))
            await _drained(reader, writer)
        writer.close()

    def _invoke(self, route: Route, values: Mapping[str, str]) -> str:
        invocation_id = str(uuid.uuid4())
        data = TypedData(http=RpcHttp(params=values))
        self._start(self._run(invocation_id, route, ParameterBinding(route.parameter, data)))
        return invocation_id

    async def _run(self, invocation_id: str, route: Route, value: ParameterBinding) -> None:
        log.info("invocation %s of %s begins", invocation_id, route.function.name)
        try:
            await self._worker.invoke(invocation_id, route.function.id, value)
        except WorkerError:
            log.exception("invocation %s failed", invocation_id)
        else:
            log.info("invocation %s succeeded", invocation_id)

    async def _forward(
        self, reader: StreamReader, writer: StreamWriter, head: bytes, invocation_id: str
    ) -> None:
        from_worker, to_worker = await asyncio.open_connection("127.0.0.1", self._worker.http_port)
        try:
            first, _, rest = head.partition(b"\r\n")
            added = b"x-ms-invocation-id: %s\r\nConnection: close\r\n" % invocation_id.encode()
            to_worker.write(first + b"\r\n" + added + _REPLACED.sub(b"", rest))
            upload = asyncio.create_task(_copy(reader, to_worker))
            try:
                await _copy(from_worker, writer)
            finally:
                upload.cancel()
                await asyncio.wait([upload])
        finally:
            to_worker.transport.abort()


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass on what comes until it ends, and then the end."""
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


async def _drained(reader: StreamReader, writer: StreamWriter) -> None:
    """Read what the client still sends: closing before would reset the connection and lose the answer."""
    with suppress(OSError):
        writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while await reader.read(_CHUNK_BYTES):
                pass
