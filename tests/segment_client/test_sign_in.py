"""The client signed in with access tokens, at a host that takes those of an issuer on loopback."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image

from segment_client import ClientError, Service, cutout
from segment_client.errors import NoToken
from segment_client.sign_in import AUDIENCE, Credential, SignIn
from tests.support.client_runs import HASTY
from tests.support.hosts import PROJECT, Host, embedded_host, environment
from tests.support.issuer import APP, SHOP, STRANGER, Issuer, oidc_issuer
from tests.support.loopback import QuietHandler, listening
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded

PICTURE = encoded("JPEG", 64, 60)
SETTINGS = {"SEGMENT_API_KEYS": "a-key", "SEGMENT_KEYS": "off"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with oidc_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def signed_in_host(
    issuer: Issuer, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[Host]:
    """A host without keys."""
    log = tmp_path_factory.mktemp("signed_in") / "log.txt"
    with embedded_host(log, SETTINGS | issuer.settings, quick_app) as running:
        yield running


@dataclass(frozen=True)
class Given:
    token: str
    expires_on: int


class Fake:
    """Gives `token`, which ends after `seconds`; with a fault it raises that."""

    def __init__(self, token: str = "x.y.z", seconds: int = 3600, fault: Exception | None = None) -> None:
        self.token, self.seconds, self.fault = token, seconds, fault
        self.scopes: list[str] = []

    def get_token(self, *scopes: str) -> Given:
        self.scopes += scopes
        if self.fault is not None:
            raise self.fault
        return Given(self.token, int(time.time()) + self.seconds)


class AsyncFake:
    """One of azure.identity.aio."""

    async def get_token(self, *_: str) -> Given:
        await asyncio.sleep(0)
        return Given("of a coroutine", int(time.time()) + 3600)


def sent(credential: Credential, calls: int = 1, audience: str = AUDIENCE) -> list[str]:
    """What calls of one connection have as Authorization, all at once."""
    sign_in = SignIn(credential, audience)

    async def one() -> str:
        flow = sign_in.async_auth_flow(httpx.Request("POST", "https://example.com"))
        return (await anext(flow)).headers["Authorization"]

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(calls)))

    return asyncio.run(all_of_them())


def test_one_token_serves_many_calls() -> None:
    fake = Fake()
    assert sent(fake, 8) == ["Bearer x.y.z"] * 8
    assert fake.scopes == [f"{AUDIENCE}/.default"]


def test_a_token_is_renewed_before_its_end() -> None:
    fake = Fake(seconds=299)
    sent(fake, 3)
    assert len(fake.scopes) == 3


@pytest.mark.parametrize("audience", [f"api://{APP}", f"api://{APP}/", f"api://{APP}/.default"])
def test_tokens_for_something_else(audience: str) -> None:
    fake = Fake()
    sent(fake, audience=audience)
    assert fake.scopes == [f"api://{APP}/.default"]


def test_asynchronous_credentials() -> None:
    assert sent(AsyncFake()) == ["Bearer of a coroutine"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (RuntimeError("Please run 'az login'.\nMore at ..."), "No access token: Please run 'az login'."),
        (KeyError(), "No access token: KeyError"),
    ],
)
def test_a_credential_that_gives_none(fault: Exception, message: str) -> None:
    with pytest.raises(NoToken) as raised:
        sent(Fake(fault=fault))
    assert (raised.value.id, raised.value.final, raised.value.message) == ("C-TOKEN", True, message)


@pytest.mark.parametrize(
    ("endpoint", "key", "told"),
    [
        ("http://example.com", "", "access tokens are sent over https only"),
        ("https://example.com", "a-key", "give a key or a credential, not both"),
    ],
)
def test_services_that_cannot_be(endpoint: str, key: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Service(endpoint, key, credential=Fake())


@pytest.mark.parametrize("endpoint", ["https://example.com", "http://127.0.0.1:7071", "http://localhost"])
def test_services_that_can_be(endpoint: str) -> None:
    service = Service(endpoint, credential=Fake(token="secret"))
    assert "secret" not in repr(service)
    assert "Fake" not in repr(service)


def refused(host: Host, credential: Credential | None) -> ClientError:
    with pytest.raises(ClientError) as raised:
        asyncio.run(cutout(PICTURE, Service(host.url, patience=HASTY, credential=credential)))
    return raised.value


@pytest.mark.slow
def test_signed_in(signed_in_host: Host, issuer: Issuer) -> None:
    service = Service(signed_in_host.url, patience=HASTY, credential=Fake(issuer.token()))
    assert asyncio.run(cutout(PICTURE, service)).answer.width == 64


@pytest.mark.slow
def test_who_is_refused_is_told_why(signed_in_host: Host, issuer: Issuer) -> None:
    stranger = refused(signed_in_host, Fake(issuer.token(issuer.claims(oid=STRANGER))))
    assert (stranger.id, stranger.final) == ("E-403", True)
    assert f"You are signed in as {STRANGER}" in stranger.message
    expired = refused(signed_in_host, Fake(issuer.token(issuer.claims(exp=1))))
    assert (expired.id, expired.final) == ("E-TOKEN", True)
    assert f"The token was for {AUDIENCE}/.default" in expired.message
    assert "--entra" in refused(signed_in_host, None).message


@contextmanager
def managed_identity(issuer: Issuer, claims: dict[str, object]) -> Iterator[dict[str, str]]:
    """The variables of an app whose platform gives it tokens with these claims."""
    asked: list[str] = []

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            asked.extend(parse_qs(urlsplit(self.path).query)["resource"])
            expires = str(int(time.time()) + 86_400)
            status = 200 if self.headers["X-IDENTITY-HEADER"] == "its-secret" else 400
            self.send_json(status, {"access_token": issuer.token(claims), "expires_on": expires})

    with listening(Handler) as address:
        yield {"IDENTITY_ENDPOINT": f"{address}/token", "IDENTITY_HEADER": "its-secret"}
    assert asked == [AUDIENCE]


def command(host: Host, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command with `--entra`, and a key in the environment, which is not to be sent."""
    own = environment({"NO_PROXY": "*", "PYTHONPATH": str(PROJECT), "SEGMENT_KEY": "a-key", **variables})
    clean = {name: value for name, value in own.items() if not name.startswith(("AZURE_", "MSI_"))}
    return subprocess.run(
        [sys.executable, "-m", "segment_client", "cutouts", *arguments, "--entra", "--endpoint", host.url],
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("principal", "code"), [(SHOP, 0), (STRANGER, 1)])
def test_the_command_signs_in_by_azures_own_library(
    principal: str, code: int, signed_in_host: Host, issuer: Issuer, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    out = tmp_path / "out"
    with managed_identity(issuer, issuer.claims(oid=principal)) as variables:
        done = command(signed_in_host, tmp_path / "a.jpg", "--out", out, **variables)
    assert done.returncode == code, done.stderr
    if code == 0:
        with Image.open(out / "a.jpg.png") as image:
            assert image.size == (64, 60)
    else:
        assert f"signed in as {STRANGER}" in done.stderr


@pytest.mark.slow
def test_the_command_without_azure_identity(signed_in_host: Host, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "azure"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError")
    paths = os.pathsep.join([str(hidden.parent), str(PROJECT)])
    done = command(signed_in_host, "-", PYTHONPATH=paths)
    assert done.returncode == 2
    assert "pip install 'segment-client[entra]'" in done.stderr
