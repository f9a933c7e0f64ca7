"""A small HTTP server on asyncio streams that sends exactly the bytes it is told to, right or wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

type Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """What a running server has seen: one request head per entry, as sent."""

    host: str
    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}:{self.port}{path}"


@asynccontextmanager
async def serve(
    answers: Mapping[str, bytes | Answer], host: str, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve `answers` by path, whatever the query; other paths are 404. Closes after every answer."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            seen.requests.append(head)
            path = head.split(b" ")[1].decode().partition("?")[0]
            answer = answers.get(path, response(b"", status="404 Not Found"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, port, ssl=tls)
    seen = RawServer(host, server.sockets[0].getsockname()[1])
    try:
        yield seen
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()


async def connections_of_others(server: RawServer) -> int:
    """How many connections `server` has had: one more is made, and the queue it waits in is in order."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET /census HTTP/1.1\r\n\r\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return server.connections - 1


def response(body: bytes, *fields: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A response with the `Content-Length` of its body, or the `length` claimed instead."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *fields]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", f"Location: {location}", status=status)


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + last


def stall(first: bytes) -> Answer:
    """Send `first`, then nothing until the client leaves."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reader.read()

    return answer


def drip(first: bytes, repeated: bytes, pause_s: float) -> Answer:
    """Send `first`, then `repeated` over and over until the client leaves."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(repeated)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer
