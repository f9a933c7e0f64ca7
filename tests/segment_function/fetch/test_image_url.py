import asyncio
import gzip
import os
import socket
import ssl
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from segment_function.fetch.image_url import UrlPolicy, fetch_image
from segment_function.fetch.resolver import SystemResolver
from shared_code.errors import (
    ImageSizeNotAllowed,
    SegmentError,
    TooManyRequests,
    UrlNotAccessible,
    UrlStatus,
)
from shared_code.limits import MAX_IMAGE_BYTES
from tests.segment_function.fetch import hostile_urls
from tests.segment_function.fetch.certificates import Authority, make_authority
from tests.segment_function.fetch.raw_server import (
    Answer,
    RawServer,
    chunked,
    connections_of_others,
    drip,
    redirect,
    response,
    serve,
    stall,
)
from tests.support.patience import PATIENCE_S

OPEN_HOST = "127.0.0.3"
PICTURE = b"picture bytes"
PATIENT = UrlPolicy(
    allowed_networks=(ip_network(f"{OPEN_HOST}/32"),),
    dns_timeout_s=PATIENCE_S,
    connect_timeout_s=PATIENCE_S,
    total_timeout_s=PATIENCE_S,
    max_bytes=1000,
)


@dataclass
class FakeResolver:
    """Answers from a table; a list of answers is given out one per question."""

    names: Mapping[str, Sequence[str]]
    questions: list[str] = field(default_factory=list)

    async def resolve(self, host: str) -> Sequence[str]:
        self.questions.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[host]


@dataclass
class RebindingResolver:
    """Gives its answers one after the other, as a name server with a zero time to live can."""

    answers: list[Sequence[str]]
    questions: int = 0

    async def resolve(self, _host: str) -> Sequence[str]:
        self.questions += 1
        return self.answers[self.questions - 1]


def policy_for(*servers: RawServer) -> UrlPolicy:
    return replace(PATIENT, allowed_ports=PATIENT.allowed_ports | {server.port for server in servers})


@asynccontextmanager
async def canaries() -> AsyncIterator[list[RawServer]]:
    """Servers on three inner addresses and one port that would serve a picture to whoever got through."""
    async with (
        serve({"/": response(PICTURE)}, "127.0.0.1") as first,
        serve({"/": response(PICTURE)}, "127.0.0.2", first.port) as second,
        serve({"/": response(PICTURE)}, "::1", first.port) as third,
    ):
        yield [first, second, third]


async def assert_untouched(servers: list[RawServer]) -> None:
    assert [await connections_of_others(server) for server in servers] == [0, 0, 0]


@contextmanager
def full_queue(host: str, port: int) -> Iterator[int]:
    """A port whose queue of connections is full: the system leaves a further attempt without an answer."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((host, port), backlog=0))
        address = listener.getsockname()
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield address[1]


def fetch_from(answers: Mapping[str, bytes | Answer], path: str = "/", policy: UrlPolicy = PATIENT) -> bytes:
    """What `fetch_image` makes of `path` on an open host that answers so."""

    async def scenario() -> bytes:
        async with serve(answers, OPEN_HOST) as server:
            ports = policy.allowed_ports | {server.port}
            return await fetch_image(server.url(path), replace(policy, allowed_ports=ports))

    return asyncio.run(scenario())


# --- Hostile URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "reason"), hostile_urls.ANYWHERE + hostile_urls.AT_FIRST)
def test_hostile_url_reaches_nobody(url: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with canaries() as inner:
            hostile = url.replace("{p}", str(inner[0].port))
            with pytest.raises(UrlNotAccessible):
                await fetch_image(hostile, policy_for(*inner), FakeResolver(hostile_urls.NAMES))
            await assert_untouched(inner)

    asyncio.run(scenario())
    assert reason in caplog.text


@pytest.mark.parametrize(("location", "reason"), hostile_urls.ANYWHERE + hostile_urls.REDIRECT_ONLY)
def test_hostile_redirect_reaches_nobody(
    location: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with canaries() as inner:
            hostile = location.replace("{p}", str(inner[0].port))
            async with serve({"/": redirect(hostile)}, OPEN_HOST) as opened:
                with pytest.raises(UrlNotAccessible):
                    await fetch_image(
                        opened.url(), policy_for(opened, *inner), FakeResolver(hostile_urls.NAMES)
                    )
                assert len(opened.requests) == 1
            await assert_untouched(inner)

    asyncio.run(scenario())
    assert reason in caplog.text


@pytest.mark.parametrize("address", hostile_urls.INNER_ADDRESSES)
@pytest.mark.parametrize("place", ["alone", "before", "after"])
def test_one_inner_address_refuses_the_name(
    address: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {"alone": [address], "before": [address, OPEN_HOST], "after": [OPEN_HOST, address]}[place]

    async def scenario() -> None:
        async with serve({"/": response(PICTURE)}, OPEN_HOST) as opened:
            url = f"http://name.example:{opened.port}/"
            with pytest.raises(UrlNotAccessible):
                await fetch_image(url, policy_for(opened), FakeResolver({"name.example": answers}))
            assert opened.connections == 0

    asyncio.run(scenario())
    assert hostile_urls.GUARD in caplog.text


def test_canaries_are_reached_once_their_network_is_open() -> None:
    async def scenario() -> None:
        async with canaries() as inner:
            opened = replace(
                policy_for(*inner), allowed_networks=(ip_network("127.0.0.2"), ip_network("::1"))
            )
            port = inner[0].port
            assert await fetch_image(f"http://127.0.0.2:{port}/", opened) == PICTURE
            assert await fetch_image(f"http://[::ffff:127.0.0.2]:{port}/", opened) == PICTURE
            assert await fetch_image(f"http://[::1]:{port}/", opened) == PICTURE
            assert [await connections_of_others(server) for server in inner] == [0, 2, 1]

    asyncio.run(scenario())


def test_system_resolver_finds_localhost_and_the_guard_refuses_it(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with canaries() as inner:
            assert set(await SystemResolver().resolve("localhost")) <= {"127.0.0.1", "::1"}
            with pytest.raises(UrlNotAccessible):
                await fetch_image(f"http://localhost:{inner[0].port}/", policy_for(*inner))
            await assert_untouched(inner)

    asyncio.run(scenario())
    assert hostile_urls.GUARD in caplog.text


def test_turned_off() -> None:
    with pytest.raises(UrlNotAccessible):
        fetch_from({"/": response(PICTURE)}, policy=replace(PATIENT, enabled=False))


# --- Names and connections ------------------------------------------------------------------------


def test_rebinding_between_check_and_connection_changes_nothing() -> None:
    async def scenario() -> None:
        async with canaries() as inner, serve({"/": response(PICTURE)}, OPEN_HOST, inner[0].port) as opened:
            resolver = RebindingResolver([[OPEN_HOST], ["127.0.0.2"], ["127.0.0.1"]])
            url = f"http://rebinding.example:{opened.port}/"
            assert await fetch_image(url, policy_for(opened), resolver) == PICTURE
            assert resolver.questions == 1
            assert opened.connections == 1
            await assert_untouched(inner)

    asyncio.run(scenario())


def test_rebinding_between_two_hops_is_refused() -> None:
    async def scenario() -> None:
        async with canaries() as inner, serve({"/": redirect("/")}, OPEN_HOST, inner[0].port) as opened:
            resolver = RebindingResolver([[OPEN_HOST], ["127.0.0.2"]])
            with pytest.raises(UrlNotAccessible):
                await fetch_image(f"http://rebinding.example:{opened.port}/", policy_for(opened), resolver)
            assert resolver.questions == 2
            assert opened.connections == 1
            await assert_untouched(inner)

    asyncio.run(scenario())


ADDRESSES_IN_TURN = [
    [OPEN_HOST, OPEN_HOST],
    ["::ffff:127.0.0.3"],
    ["127.0.0.4", OPEN_HOST],
    ["::1", OPEN_HOST],
    ["::1", "127.0.0.4", "127.0.0.5", OPEN_HOST],
]


@pytest.mark.parametrize("addresses", ADDRESSES_IN_TURN)
def test_addresses_are_tried_in_turn(addresses: list[str]) -> None:
    async def scenario() -> None:
        async with serve({"/": response(PICTURE)}, OPEN_HOST) as opened:
            networks = (ip_network("127.0.0.3/32"), ip_network("127.0.0.4/31"), ip_network("::1"))
            policy = replace(policy_for(opened), allowed_networks=networks)
            url = f"http://name.example:{opened.port}/"
            assert await fetch_image(url, policy, FakeResolver({"name.example": addresses})) == PICTURE
            assert opened.connections == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("silent", "reached"), [(7, True), (8, False)])
def test_eight_addresses_are_tried(silent: int, reached: bool) -> None:
    addresses = [f"127.0.0.{100 + n}" for n in range(silent)] + [OPEN_HOST]

    async def scenario() -> None:
        async with serve({"/": response(PICTURE)}, OPEN_HOST) as opened:
            policy = replace(policy_for(opened), allowed_networks=(ip_network("127.0.0.0/24"),))
            url, resolver = f"http://name.example:{opened.port}/", FakeResolver({"name.example": addresses})
            with nullcontext() if reached else pytest.raises(UrlNotAccessible):
                await fetch_image(url, policy, resolver)
            assert opened.connections == reached

    asyncio.run(scenario())


def test_an_address_that_swallows_packets_leaves_time_for_the_next() -> None:
    async def scenario() -> None:
        async with serve({"/": response(PICTURE)}, OPEN_HOST) as opened:
            with full_queue("127.0.0.4", opened.port):
                networks = (ip_network("127.0.0.0/24"),)
                policy = replace(policy_for(opened), allowed_networks=networks, connect_timeout_s=2)
                resolver = FakeResolver({"name.example": ["127.0.0.4", OPEN_HOST]})
                assert await fetch_image(f"http://name.example:{opened.port}/", policy, resolver) == PICTURE

    asyncio.run(scenario())


def test_connection_that_never_opens(caplog: pytest.LogCaptureFixture) -> None:
    with full_queue(OPEN_HOST, 0) as port:
        policy = replace(PATIENT, allowed_ports=frozenset({port}), connect_timeout_s=0.2)
        with pytest.raises(UrlNotAccessible):
            asyncio.run(fetch_image(f"http://{OPEN_HOST}:{port}/", policy))
    assert "ConnectTimeout" in caplog.text


def test_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serve({}, OPEN_HOST) as gone:
            url, policy = gone.url(), policy_for(gone)
        with pytest.raises(UrlNotAccessible):
            await fetch_image(url, policy)

    asyncio.run(scenario())
    assert "no connection" in caplog.text


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_tells_of_what_arrives_and_ends_when_told_to(coding: str) -> None:
    body = gzip.compress(PICTURE * 1000) if coding == "gzip" else PICTURE * 1000

    async def scenario(most_bytes: int) -> list[int]:
        sizes: list[int] = []

        async def arriving(size_bytes: int) -> None:
            sizes.append(size_bytes)
            if sum(sizes) > most_bytes:
                raise TooManyRequests

        async with serve({"/": response(body, f"Content-Encoding: {coding}")}, OPEN_HOST) as opened:
            policy = replace(policy_for(opened), max_bytes=MAX_IMAGE_BYTES)
            assert len(await fetch_image(opened.url("/"), policy, arriving=arriving)) == sum(sizes)
        return sizes

    assert sum(asyncio.run(scenario(len(PICTURE) * 1000))) == len(PICTURE) * 1000
    with pytest.raises(TooManyRequests):
        asyncio.run(scenario(len(PICTURE) * 1000 - 1))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (drip(b"", b"HTTP/1.1 100 \r\n\r\n" * 4096, 0), "head larger than"),
        (chunked(*[b"x"] * 200_000), "more framing than content"),
        (drip(chunked(last=b""), b"1;" + b"a" * 16_000 + b"\r\nx\r\n", 0), "more framing than content"),
    ],
    ids=["interim answers", "chunks of one byte", "extensions of chunks"],
)
def test_what_only_costs_time_is_given_up(
    answer: bytes | Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    policy = replace(PATIENT, max_bytes=MAX_IMAGE_BYTES)
    with pytest.raises(UrlNotAccessible):
        fetch_from({"/": answer}, policy=policy)
    assert reason in caplog.text


@pytest.mark.parametrize("size_bytes", [16, 100, 8192])
def test_small_chunks_are_read(size_bytes: int) -> None:
    """As programs send them that write a picture in pieces."""
    chunks = [bytes(size_bytes)] * (300_000 // size_bytes)
    policy = replace(PATIENT, max_bytes=MAX_IMAGE_BYTES)
    assert len(fetch_from({"/": chunked(*chunks)}, policy=policy)) == size_bytes * len(chunks)


def test_request_tells_nothing_about_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> list[bytes]:
        fields = ("Set-Cookie: id=1; Path=/", "Location: /image?b=2")
        answers = {"/": response(b"", *fields, status="302 Found"), "/image": response(PICTURE)}
        async with serve(answers, OPEN_HOST) as opened, serve({}, "127.0.0.2") as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
                monkeypatch.setenv(name, proxy.url())
            assert await fetch_image(opened.url("/?a=1#part"), policy_for(opened)) == PICTURE
            assert proxy.connections == 0
            return [request.replace(str(opened.port).encode(), b"PORT") for request in opened.requests]

    fields = (
        b"Host: 127.0.0.3:PORT\r\nUser-Agent: image-segmentation/1.0\r\nAccept: image/*, */*;q=0.5\r\n"
        b"Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    assert asyncio.run(scenario()) == [
        b"GET /?a=1 HTTP/1.1\r\n" + fields,
        b"GET /image?b=2 HTTP/1.1\r\n" + fields,
    ]


# --- Redirects ------------------------------------------------------------------------------------


def chain(redirects: int) -> dict[str, bytes | Answer]:
    hops: dict[str, bytes | Answer] = {f"/{n}": redirect(f"/{n - 1}") for n in range(1, redirects + 1)}
    return hops | {"/0": response(PICTURE)}


@pytest.mark.parametrize("redirects", [0, 1, 2, 3])
def test_follows_three_redirects(redirects: int) -> None:
    assert fetch_from(chain(redirects), f"/{redirects}") == PICTURE


@pytest.mark.parametrize(
    ("answers", "path"), [(chain(4), "/4"), ({"/": redirect("/")}, "/"), ({"/": redirect("")}, "/x")]
)
def test_follows_no_more(answers: dict[str, bytes | Answer], path: str) -> None:
    with pytest.raises(SegmentError) as caught:
        fetch_from(answers, path)
    assert isinstance(caught.value, UrlStatus if path == "/x" else UrlNotAccessible)


@pytest.mark.parametrize(
    "status",
    [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ],
)
def test_follows_each_kind_to_another_host(status: str) -> None:
    async def scenario() -> None:
        async with serve({"/p": response(PICTURE)}, OPEN_HOST) as second:
            location = f"http://two.example:{second.port}/p"
            async with serve({"/": redirect(location, status)}, OPEN_HOST) as first:
                resolver = FakeResolver({"one.example": [OPEN_HOST], "two.example": [OPEN_HOST]})
                url = f"http://one.example:{first.port}/"
                assert await fetch_image(url, policy_for(first, second), resolver) == PICTURE
            assert resolver.questions == ["one.example", "two.example"]
            assert f"Host: two.example:{second.port}".encode() in second.requests[0]

    asyncio.run(scenario())


# --- Statuses, sizes and codings ------------------------------------------------------------------

STATUSES = [
    ("404 Not Found", (), "404"),
    ("400 Bad Request", (), "400"),
    ("401 Unauthorized", ("WWW-Authenticate: Basic",), "401"),
    ("500 Internal Server Error", (), "500"),
    ("304 Not Modified", ("Location: /image",), "304"),
    ("300 Multiple Choices", ("Location: /image",), "300"),
    ("302 Found", (), "302"),
    ("302 Found", ("Location:",), "302"),
    ("302 Found", ("Location: /image", "Location: /other"), "302"),
]


@pytest.mark.parametrize(("status", "fields", "number"), STATUSES)
def test_status_other_than_2xx(status: str, fields: tuple[str, ...], number: str) -> None:
    answers = {"/": response(b"no picture", *fields, status=status), "/image": response(PICTURE)}
    with pytest.raises(UrlStatus, match=f"status code: {number}"):
        fetch_from(answers)


def test_status_after_a_redirect() -> None:
    with pytest.raises(UrlStatus, match="status code: 404"):
        fetch_from({"/": redirect("/gone")})


FULL = PATIENT.max_bytes
PICTURES: list[tuple[bytes, bytes]] = [
    (response(PICTURE), PICTURE),
    (response(PICTURE, status="206 Partial Content"), PICTURE),
    (response(bytes(FULL)), bytes(FULL)),
    (b"HTTP/1.0 200 OK\r\n\r\n" + PICTURE, PICTURE),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + response(PICTURE), PICTURE),
    (chunked(b"one", b"two"), b"onetwo"),
    (chunked(b"one", last=b"0\r\nX-Trailer: 1\r\n\r\n"), b"one"),
    (chunked(bytes(FULL - 1), b"!"), bytes(FULL - 1) + b"!"),
    (response(gzip.compress(PICTURE), "Content-Encoding: gzip"), PICTURE),
    (response(zlib.compress(PICTURE), "Content-Encoding: deflate"), PICTURE),
    (response(gzip.compress(bytes(FULL)), "Content-Encoding: gzip"), bytes(FULL)),
    (response(gzip.compress(PICTURE), "Content-Encoding: aws-chunked", "Content-Encoding: gzip"), PICTURE),
    *(
        (response(PICTURE, f"Content-Encoding: {name}"), PICTURE)
        for name in ("aws-chunked", "UTF-8", "binary", "none", "br", "\xff", "")
    ),
]


@pytest.mark.parametrize(("answer", "expected"), PICTURES)
def test_reads(answer: bytes, expected: bytes) -> None:
    assert fetch_from({"/": answer}) == expected


WRONG_SIZES: list[bytes | Answer] = [
    response(b""),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    chunked(),
    b"HTTP/1.0 200 OK\r\n\r\n",
    response(gzip.compress(b""), "Content-Encoding: gzip"),
    response(bytes(FULL + 1)),
    # Refused by what is announced: nothing ever comes.
    stall(response(b"", length=FULL + 1)),
    stall(response(b"", length=10**19)),
    stall(chunked(bytes(FULL), b"!", last=b"")),
    stall(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(FULL + 1)),
    drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10\r\n0123456789abcdef\r\n", 0.0),
    response(gzip.compress(bytes(FULL + 1)), "Content-Encoding: gzip"),
    response(gzip.compress(bytes(FULL)) + gzip.compress(b"!"), "Content-Encoding: gzip"),
    response(zlib.compress(bytes(500_000)), "Content-Encoding: deflate"),
]


@pytest.mark.parametrize("answer", WRONG_SIZES)
def test_wrong_size(answer: bytes | Answer) -> None:
    with pytest.raises(ImageSizeNotAllowed):
        fetch_from({"/": answer})


@pytest.mark.parametrize("size", [MAX_IMAGE_BYTES, MAX_IMAGE_BYTES + 1])
@pytest.mark.parametrize("framing", [response, chunked])
def test_size_limit_of_the_contract(size: int, framing: Callable[[bytes], bytes]) -> None:
    policy = replace(PATIENT, max_bytes=UrlPolicy().max_bytes)
    if size > MAX_IMAGE_BYTES:
        with pytest.raises(ImageSizeNotAllowed):
            fetch_from({"/": framing(bytes(size))}, policy=policy)
    else:
        assert len(fetch_from({"/": framing(bytes(size))}, policy=policy)) == size


BROKEN: list[bytes | Answer] = [
    b"",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\nbroken",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.3/\x00\r\n\r\n",
    response(PICTURE, length=len(PICTURE) + 1),
    chunked(PICTURE, last=b""),
    chunked(PICTURE, last=b"zz\r\n"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + gzip.compress(PICTURE),
    response(PICTURE, "Content-Encoding: gzip"),
    response(gzip.compress(PICTURE)[:-4], "Content-Encoding: gzip"),
    response(gzip.compress(PICTURE) + b"rest", "Content-Encoding: gzip"),
]


@pytest.mark.parametrize("answer", BROKEN)
def test_broken_answer(answer: bytes | Answer) -> None:
    with pytest.raises(UrlNotAccessible):
        fetch_from({"/": answer})


# --- Deadlines ------------------------------------------------------------------------------------

SLOW: list[Answer] = [
    stall(b""),
    stall(b"HTTP/1.1 200 OK\r\n"),
    stall(response(b"a", length=2)),
    stall(response(gzip.compress(PICTURE)[:-1], "Content-Encoding: gzip", length=100)),
    drip(response(b"", length=900), b"a", 0.05),
    drip(b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n", 0.05),
    drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.05),
    # An endless row of members that hold nothing, at full speed.
    drip(response(b"", "Content-Encoding: gzip", length=900), gzip.compress(b""), 0.05),
]


@pytest.mark.parametrize("answer", SLOW)
def test_deadline_ends_a_slow_answer(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UrlNotAccessible):
        fetch_from({"/": answer}, policy=replace(PATIENT, total_timeout_s=0.3))
    assert "out of time" in caplog.text


def test_deadline_is_for_all_hops_together(caplog: pytest.LogCaptureFixture) -> None:
    async def late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(redirect("/"))
        await writer.drain()

    with pytest.raises(UrlNotAccessible):
        fetch_from({"/": late}, policy=replace(PATIENT, total_timeout_s=0.8))
    assert "out of time" in caplog.text


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (replace(PATIENT, dns_timeout_s=0.1), "name resolution: TimeoutError"),
        (replace(PATIENT, total_timeout_s=0.1), "out of time"),
    ],
)
def test_deadline_of_name_resolution(
    policy: UrlPolicy, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent:
        async def resolve(self, _host: str) -> Sequence[str]:
            await asyncio.sleep(PATIENCE_S)
            return [OPEN_HOST]

    with pytest.raises(UrlNotAccessible):
        asyncio.run(fetch_image("http://silent.example/", policy, Silent()))
    assert reason in caplog.text


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("certificates"))


async def fetch_by_tls(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext | None, host: str
) -> bytes:
    async with serve({"/": response(PICTURE)}, OPEN_HOST, tls=server_context) as opened:
        resolver = FakeResolver({host: [OPEN_HOST]})
        url = f"https://{host}:{opened.port}/"
        return await fetch_image(url, policy_for(opened), resolver, client_context)


def test_tls_names_and_checks_the_host_of_the_url(authority: Authority) -> None:
    server_context = authority.server_context("xn--bcher-kva.example")
    named: list[str | None] = []
    server_context.sni_callback = lambda _socket, name, _context: named.append(name)

    async def scenario() -> bytes:
        async with serve({"/": response(PICTURE)}, OPEN_HOST, tls=server_context) as opened:
            resolver = FakeResolver({"xn--bcher-kva.example": [OPEN_HOST]})
            url = f"https://Bücher.example:{opened.port}/"
            return await fetch_image(url, policy_for(opened), resolver, authority.client_context())

    assert asyncio.run(scenario()) == PICTURE
    assert named == ["xn--bcher-kva.example"]


BAD_CERTIFICATES = [
    # certificate for, expired, authority trusted, host of the url
    ("pictures.example", False, False, "pictures.example"),
    ("other.example", False, True, "pictures.example"),
    ("pictures.example", True, True, "pictures.example"),
    ("pictures.example", False, True, OPEN_HOST),
]


@pytest.mark.parametrize(("certified", "expired", "trusted", "host"), BAD_CERTIFICATES)
def test_bad_certificate(
    authority: Authority,
    certified: str,
    expired: bool,
    trusted: bool,
    host: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server_context = authority.server_context(certified, expired)
    client_context = authority.client_context() if trusted else None
    with pytest.raises(UrlNotAccessible):
        asyncio.run(fetch_by_tls(server_context, client_context, host))
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


@pytest.mark.parametrize(
    "policy", [replace(PATIENT, connect_timeout_s=0.2), replace(PATIENT, total_timeout_s=0.4)]
)
def test_handshake_that_never_ends(policy: UrlPolicy) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def scenario() -> None:
        server = await asyncio.start_server(silent, OPEN_HOST, 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UrlNotAccessible):
            await fetch_image(
                f"https://{OPEN_HOST}:{port}/", replace(policy, allowed_ports=frozenset({port}))
            )
        server.close()
        server.close_clients()
        await server.wait_closed()

    asyncio.run(scenario())


@pytest.mark.parametrize("sent_before", [b"", response(b"half", length=8)])
def test_tls_broken_after_the_handshake(
    authority: Authority, sent_before: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent_before)
        os.write(writer.get_extra_info("socket").fileno(), b"no TLS record")
        await reader.read()

    async def scenario() -> None:
        context = authority.server_context("pictures.example")
        async with serve({"/": broken}, OPEN_HOST, tls=context) as opened:
            resolver = FakeResolver({"pictures.example": [OPEN_HOST]})
            url = f"https://pictures.example:{opened.port}/"
            with pytest.raises(UrlNotAccessible):
                await fetch_image(url, policy_for(opened), resolver, authority.client_context())

    asyncio.run(scenario())
    assert "SSLError" in caplog.text


def test_plain_http_where_tls_is_expected() -> None:
    async def scenario() -> None:
        async with serve({"/": response(PICTURE)}, OPEN_HOST) as opened:
            policy = replace(policy_for(opened), connect_timeout_s=0.3)
            with pytest.raises(UrlNotAccessible):
                await fetch_image(f"https://{OPEN_HOST}:{opened.port}/", policy)

    asyncio.run(scenario())


# --- Log and start --------------------------------------------------------------------------------

UNLOGGED = [
    ("/?sig=SECRET", {"/": response(b"")}),
    ("/?sig=SECRET", {"/": response(b"", status="403 Forbidden")}),
    ("/?sig=SECRET", {"/": redirect("/SECRET?sig=SECRET")}),
    ("/SECRET", {"/SECRET": redirect("http://127.0.0.1/SECRET?SECRET#SECRET")}),
    ("/", {"/": redirect("http://SECRET:SECRET@example.com/")}),
    ("/", {"/": redirect("http://example.com:SECRET/")}),
    ("/", {"/": redirect("https://127.0.0.3:1/?SECRET")}),
    ("/", {"/": b"HTTP/1.1 302 Found\r\nLocation: /?SECRET\r\nbroken SECRET\r\n\r\n"}),
]


@pytest.mark.parametrize(("path", "answers"), UNLOGGED)
def test_secrets_stay_out_of_the_log(
    path: str, answers: dict[str, bytes | Answer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(SegmentError) as caught:
        fetch_from(answers, path)
    assert "SECRET" not in caplog.text
    assert "SECRET" not in str(caught.value)


@pytest.mark.slow
def test_no_network_library_is_loaded_before_the_first_url() -> None:
    program = (
        "import sys; import segment_function.fetch.image_url; "
        "print(sorted({'AntiSSRF', 'httpcore'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
