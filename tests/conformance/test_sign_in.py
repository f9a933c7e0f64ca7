"""Sign-in with access tokens, on each host, as Microsoft's own Python client does it."""

import io
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from PIL import Image

from shared_code.errors import PermissionDenied, SegmentError, ServiceUnavailable, TokenInvalid
from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.functions_host.needed import skip
from tests.support import loopback
from tests.support.hosts import embedded_host
from tests.support.issuer import AUDIENCE, STRANGER, TENANT, Issuer, mutate, oidc_issuer
from tests.support.photos import encoded

pytestmark = pytest.mark.slow

QUERY = {"api-version": "2023-02-01-preview", "mode": "backgroundRemoval"}
PICTURE = encoded("JPEG", 64, 60)
HOSTS = {"embedded": embedded_host, "functions": functions_host}
MUTATED = 200
# 400 is the Functions host's own, for bytes that are no UTF-8.
REFUSED = {400, 401, 403}
SETTINGS = {"SEGMENT_KEYS": "off", "SEGMENT_API_KEYS": "a-key"}


@pytest.fixture(scope="module", params=HOSTS)
def signed_in(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[tuple[str, Issuer]]:
    """A host's address, and whose tokens it takes."""
    if request.param == "functions" and find_host() is None:
        skip(HOW_TO_GET_ONE)
    with ExitStack() as running:
        issuer = running.enter_context(oidc_issuer())
        log = tmp_path_factory.mktemp("log") / "log.txt"
        host = running.enter_context(HOSTS[request.param](log, SETTINGS | issuer.settings, quick_app))
        yield host.url, issuer


class Credential:
    """As azure-identity's are: it is asked for a scope, and gives a token."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes += scopes
        return AccessToken(self.token, 1 << 40)


def by_microsofts_client(url: str, credential: Credential) -> bytes:
    with ImageAnalysisClient(url, credential) as client:
        call = HttpRequest(
            "POST",
            "/imageanalysis:segment",
            params=QUERY,
            content=PICTURE,
            headers={"Content-Type": "application/octet-stream"},
        )
        # Without TLS, which hosts on loopback have not.
        with client.send_request(call, stream=True, enforce_https=False) as response:
            response.raise_for_status()
            return b"".join(response.iter_bytes())


def test_microsofts_client_signs_in(signed_in: tuple[str, Issuer]) -> None:
    url, issuer = signed_in
    credential = Credential(issuer.token())
    with Image.open(io.BytesIO(by_microsofts_client(url, credential))) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (64, 60), "RGBA")
    assert set(credential.scopes) == {f"{AUDIENCE}/.default"}


def test_microsofts_client_is_told(signed_in: tuple[str, Issuer]) -> None:
    url, issuer = signed_in
    with pytest.raises(HttpResponseError) as raised:
        by_microsofts_client(url, Credential(issuer.token(issuer.claims(oid=STRANGER))))
    assert raised.value.status_code == 403


def refused(url: str, headers: dict[str, str], error: SegmentError) -> httpx.Response:
    answer = loopback.post(
        f"{url}/computervision/imageanalysis:segment",
        params=QUERY,
        content=PICTURE,
        headers={"Content-Type": "image/jpeg"} | headers,
    )
    assert (answer.status_code, answer.content) == (error.status, error.body())
    assert answer.headers["x-ms-error-code"] == error.code
    return answer


def test_refusals(signed_in: tuple[str, Issuer]) -> None:
    url, issuer = signed_in
    tokens = ["x", issuer.unsigned(), issuer.hs256(), issuer.token(issuer.claims(exp=1)), "a.b.c" * 1000]
    for headers in [
        {},
        {"Ocp-Apim-Subscription-Key": "a-key"},
        *({"Authorization": f"Bearer {it}"} for it in tokens),
    ]:
        told = refused(url, headers, TokenInvalid()).headers["www-authenticate"]
        assert told.startswith(
            f'Bearer authorization_uri="{issuer.authority}/{TENANT}", resource="{AUDIENCE}"'
        )
        assert ("invalid_token" in told) == ("Authorization" in headers)
    stranger = {"Authorization": f"Bearer {issuer.token(issuer.claims(oid=STRANGER))}"}
    assert "www-authenticate" not in refused(url, stranger, PermissionDenied()).headers


def test_mutated_tokens(signed_in: tuple[str, Issuer]) -> None:
    """None lets in, and none is a fault: of the service, the worker library, or the host."""
    url, issuer = signed_in
    good, chance = issuer.token(), random.Random(31)
    with loopback.client(url) as client:
        for _ in range(MUTATED):
            authorization = f"Bearer {mutate(good, chance)}".strip().encode("latin-1")
            answer = client.post(
                "/computervision/imageanalysis:segment",
                params=QUERY,
                content=PICTURE,
                headers={b"Content-Type": b"image/jpeg", b"Authorization": authorization},
            )
            assert answer.status_code in REFUSED, authorization
    with Image.open(io.BytesIO(by_microsofts_client(url, Credential(good)))) as image:
        assert image.size == (64, 60)


def test_without_an_issuer(tmp_path_factory: pytest.TempPathFactory, quick_app: Path) -> None:
    with oidc_issuer() as issuer:
        issuer.fault = 500
        log = tmp_path_factory.mktemp("log") / "log.txt"
        with embedded_host(log, SETTINGS | issuer.settings, quick_app) as running:
            token = {"Authorization": f"Bearer {issuer.token()}"}
            assert refused(running.url, token, ServiceUnavailable()).headers["retry-after"] == "5"
