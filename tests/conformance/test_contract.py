"""Every row of the wire contract, asked over a real socket."""

import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared_code import errors
from shared_code.errors import SegmentError
from tests.conformance import pictures
from tests.conformance.cases import CASES, Case, Png
from tests.conformance.client import Reply, exchange
from tests.conformance.hosts import KINDS, started
from tests.conformance.requests import MATTE_QUERY, Request
from tests.conformance.site import picture_site
from tests.functions_host import Instance
from tests.support.hosts import KEYS, Host, free_port
from tests.support.patience import wait_for

pytestmark = pytest.mark.slow

ANSWERED_BY_THE_HOST = {
    "path with a doubled slash in front": 404,
    "key outside ASCII": 400,
    "content type outside ASCII": 400,
    "announced 20 971 521 bytes, none sent": 500,
    "announced a terabyte": 500,
}
"""Rows that reach no function of the Functions host, and the status of its empty answer."""


GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with picture_site(free_port()) as url:
        yield url


@pytest.fixture(scope="module", params=KINDS)
def contract_host(
    request: pytest.FixtureRequest, site: str, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[Host]:
    settings = {
        "SEGMENT_API_KEYS": ",".join(KEYS),
        "SEGMENT_REGION": "West Europe",
        "SEGMENT_URL_ALLOWED_NETWORKS": "127.0.0.1/32",
        "SEGMENT_URL_ALLOWED_PORTS": f"80,443,{site.rpartition(':')[2]}",
    }
    with started(request.param, tmp_path_factory.mktemp("contract") / "log.txt", settings, quick_app) as host:
        yield host


def ask(host: Host, request: Request) -> Reply:
    return exchange(host.port, request.method, request.parts())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_row(case: Case, contract_host: Host, site: str) -> None:
    reply = ask(contract_host, case.request(site))
    if isinstance(contract_host, Instance) and case.name in ANSWERED_BY_THE_HOST:
        assert (reply.status, reply.body) == (ANSWERED_BY_THE_HOST[case.name], b"")
        return
    assert_headers(reply)
    if isinstance(case.expected, SegmentError):
        assert_error(reply, case.expected)
    else:
        assert_png(reply, case.expected)


def assert_headers(reply: Reply) -> None:
    headers = reply.headers
    assert GUID.fullmatch(headers["apim-request-id"])
    assert headers["request-id"] == headers["apim-request-id"]
    assert headers["x-ms-region"] == "West Europe"
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains; preload"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-envoy-upstream-service-time"].isdecimal()
    assert "set-cookie" not in headers


def assert_error(reply: Reply, error: SegmentError) -> None:
    assert (reply.status, reply.body) == (error.status, error.body())
    assert reply.headers["x-ms-error-code"] == error.code
    assert "x-segment-uncertainty" not in reply.headers
    gateway = error.status in (401, 404, 429)
    assert reply.headers["content-type"] == (
        "application/json" if gateway else "application/json; charset=utf-8"
    )
    assert reply.headers["content-length"] == str(len(error.body()))


def assert_png(reply: Reply, png: Png) -> None:
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "image/png"
    assert re.fullmatch(r"0\.\d\d|1\.00", reply.headers["x-segment-uncertainty"])
    assert "x-ms-error-code" not in reply.headers
    image = Image.open(io.BytesIO(reply.body))
    assert (image.format, image.mode, image.size) == ("PNG", png.mode, (png.width, png.height))
    image.load()
    kinds = chunk_kinds(reply.body)
    assert kinds[:4] == ["IHDR", "gAMA", "sRGB", "cHRM"]
    assert set(kinds[4:-1]) == {"IDAT"}
    assert kinds[-1] == "IEND"
    if png.mode == "RGBA":
        pixels = np.asarray(image)
        assert not pixels[pixels[..., 3] == 0].any(), "removed background can be recovered"


def chunk_kinds(png: bytes) -> list[str]:
    kinds, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        kinds.append(png[at + 4 : at + 8].decode())
        at += 12 + length
    return kinds


def test_names_of_rows_are_unique() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


OTHERWISE_PROVEN = {
    "E-TOKEN": "test_sign_in.py",
    "E-403": "test_sign_in.py",
    "E-MEMORY": "test_more_memory_than_the_budget",
    "E-429": "test_overload.py",
    "E-500": "tests/segment_function/test_answer.py",
    "E-503": "test_overload.py",
}


def test_every_error_of_the_contract_has_a_row() -> None:
    proven = {case.expected.id for case in CASES if isinstance(case.expected, SegmentError)}
    assert proven | OTHERWISE_PROVEN.keys() == {kind.id for kind in SegmentError.__subclasses__()}


def test_ids_are_fresh_and_in_the_log(contract_host: Host) -> None:
    first, second = ask(contract_host, Request()), ask(contract_host, Request())
    ids = {first.headers["request-id"], second.headers["request-id"]}
    assert len(ids) == 2
    wait_for(lambda: all(one in contract_host.log.read_text() for one in ids))


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        (str(uuid.UUID(int=5)), str(uuid.UUID(int=5))),
        ("any text", "any text"),
        ("x" * 200, None),
        ("a\tb", None),
        ("\xfc", None),
    ],
)
def test_client_request_id(contract_host: Host, sent: str, echoed: str | None) -> None:
    reply = ask(contract_host, Request(headers={"x-ms-client-request-id": sent}))
    assert reply.headers.get("x-ms-client-request-id") == echoed


def test_secrets_stay_out_of_the_log(contract_host: Host, site: str) -> None:
    body = f'{{"url":"{site}/photo.jpg?sig=SECRET-IN-A-URL"}}'.encode()
    headers = {"Content-Type": "application/json", "Ocp-Apim-Subscription-Key": "WRONG-KEY-OF-A-CALLER"}
    ask(contract_host, Request(headers=headers, body=body))
    ask(contract_host, Request(headers={"Content-Type": "application/json"}, body=body))
    ask(contract_host, Request(query="api-version=SECRET-IN-THE-QUERY"))
    log = contract_host.log.read_text()
    for secret in (*KEYS, "SECRET-IN-A-URL", "WRONG-KEY-OF-A-CALLER", "SECRET-IN-THE-QUERY"):
        assert secret not in log


def test_colour_under_full_opacity_is_the_pictures_own(contract_host: Host) -> None:
    reply = ask(contract_host, Request(body=pictures.converted("PNG", "RGB")))
    pixels = np.asarray(Image.open(io.BytesIO(reply.body)))
    source = np.asarray(Image.open(io.BytesIO(pictures.converted("PNG", "RGB"))))
    opaque = pixels[..., 3] == 255
    assert opaque.any()
    assert (pixels[opaque][:, :3] == source[opaque]).all()


def test_transparency_of_the_input_stays(contract_host: Host) -> None:
    reply = ask(contract_host, Request(body=pictures.transparent()))
    assert not np.asarray(Image.open(io.BytesIO(reply.body)))[:, :80].any()


@pytest.fixture(scope="module", params=KINDS)
def odd_host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[Host]:
    """Other settings: indexed mattes, little memory, no URLs, and no key configured."""
    settings = {
        "SEGMENT_MATTE_PNG": "indexed",
        "SEGMENT_MEMORY_BUDGET_MB": "64",
        "SEGMENT_URL_INPUT": "off",
        "SEGMENT_ALLOW_ANONYMOUS": "true",
    }
    with started(request.param, tmp_path_factory.mktemp("odd") / "log.txt", settings, quick_app) as host:
        yield host


def test_matte_as_the_retired_service_wrote_it(odd_host: Host) -> None:
    reply = ask(odd_host, Request(query=MATTE_QUERY))
    image = Image.open(io.BytesIO(reply.body))
    assert image.mode == "P"
    assert image.getpalette() == [level for level in range(256) for _ in range(3)]
    assert chunk_kinds(reply.body)[:5] == ["IHDR", "gAMA", "sRGB", "cHRM", "PLTE"]


def test_more_memory_than_the_budget(odd_host: Host) -> None:
    reply = ask(odd_host, Request(body=pictures.blank("PNG", 4000, 4000, "RGB")))
    assert (reply.status, reply.body) == (400, errors.ImageTooLargeForInstance().body())


def test_urls_turned_off(odd_host: Host) -> None:
    request = Request(
        headers={"Content-Type": "application/json"}, body=b'{"url":"http://example.com/a.jpg"}'
    )
    assert ask(odd_host, request).body == errors.UrlNotAccessible().body()


def test_anonymous_where_it_is_allowed(odd_host: Host) -> None:
    assert ask(odd_host, Request(headers={"Ocp-Apim-Subscription-Key": None})).status == 200
    assert "x-ms-region" not in ask(odd_host, Request()).headers


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_configured_refuses_everybody(
    kind: str, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> None:
    with started(kind, tmp_path_factory.mktemp("closed") / "log.txt", {}, quick_app) as host:
        for key in (None, "", KEYS[0]):
            reply = ask(host, Request(headers={"Ocp-Apim-Subscription-Key": key}))
            assert (reply.status, reply.body) == (401, errors.AccessDenied().body())
