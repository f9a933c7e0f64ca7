"""Sign-in against a real issuer on loopback: every part of a token wrong, keys rotated, the issuer away."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator

import pytest

from segment_function import entra
from segment_function.callers import KEY_HEADER, Gate
from segment_function.entra import SigningKeys, Tokens
from shared_code.errors import (
    AccessDenied,
    PermissionDenied,
    SegmentError,
    ServiceUnavailable,
    TokenInvalid,
)
from shared_code.settings import load_settings
from tests.segment_function.asgi import request
from tests.support.issuer import (
    APP,
    AUDIENCE,
    OTHER_TENANT,
    ROLE,
    STRANGER,
    TENANT,
    Issuer,
    mutate,
    new_key,
    oidc_issuer,
    signed,
)

MUTATED = 10_000


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with oidc_issuer() as running:
        yield running


def gate(issuer: Issuer, **more: str) -> Gate:
    return Gate.of(load_settings(issuer.settings | more))


def let_in(gate: Gate, authorization: str, key: str | None = None) -> str | type[SegmentError]:
    """The caller's name, or how he is refused."""
    headers = {"Authorization": authorization} | ({} if key is None else {KEY_HEADER: key})
    try:
        return asyncio.run(gate(request(headers=headers))).name
    except SegmentError as error:
        return type(error)


def now() -> int:
    """When the test runs, which can be long after it was collected."""
    return int(time.time())


GOOD: list[tuple[str, Callable[[Issuer], dict[str, object]], str]] = [
    ("v1", lambda it: it.claims(), "shop"),
    ("v1 with a slash", lambda it: it.claims(aud=f"{AUDIENCE}/"), "shop"),
    ("v2", lambda it: it.v2(), "shop"),
    ("api://", lambda it: it.v2(aud=f"api://{APP}"), "shop"),
    ("role", lambda it: it.v2(oid=STRANGER, roles=["Other", ROLE]), "batch"),
    ("clock behind", lambda it: it.claims(nbf=now() + 240, iat=now() + 240), "shop"),
    ("clock ahead", lambda it: it.claims(exp=now() - 200), "shop"),
]
BAD: list[tuple[str, Callable[[Issuer], dict[str, object]], type[SegmentError]]] = [
    ("stranger", lambda it: it.claims(oid=STRANGER), PermissionDenied),
    ("nobody", lambda it: it.claims(oid=None), PermissionDenied),
    ("roles no list", lambda it: it.claims(oid=STRANGER, roles=ROLE), PermissionDenied),
    ("role as scope", lambda it: it.claims(oid=STRANGER, scp=ROLE), PermissionDenied),
    ("expired", lambda it: it.claims(exp=now() - 3600), TokenInvalid),
    ("not yet", lambda it: it.claims(nbf=now() + 3600), TokenInvalid),
    ("for ever", lambda it: it.claims(exp=None), TokenInvalid),
    ("no audience", lambda it: it.claims(aud=None), TokenInvalid),
    ("other audience", lambda it: it.claims(aud="https://management.azure.com"), TokenInvalid),
    ("longer audience", lambda it: it.claims(aud=f"{AUDIENCE}.example"), TokenInvalid),
    ("no issuer", lambda it: it.claims(iss=None), TokenInvalid),
    ("other tenant", lambda it: it.claims(iss=f"https://sts.windows.net/{OTHER_TENANT}/"), TokenInvalid),
    ("other tenant, v2", lambda it: it.v2(iss=f"{it.authority}/{OTHER_TENANT}/v2.0"), TokenInvalid),
    ("other tid", lambda it: it.claims(tid=OTHER_TENANT), TokenInvalid),
    ("no tid", lambda it: it.claims(tid=None), TokenInvalid),
    ("huge time", lambda it: it.claims(nbf=10**400), TokenInvalid),
    ("words for a time", lambda it: it.claims(exp="tomorrow"), TokenInvalid),
]


@pytest.mark.parametrize(
    ("claims", "found"), [row[1:] for row in GOOD + BAD], ids=[row[0] for row in GOOD + BAD]
)
def test_claims(
    issuer: Issuer, claims: Callable[[Issuer], dict[str, object]], found: str | type[SegmentError]
) -> None:
    assert let_in(gate(issuer), f"Bearer {issuer.token(claims(issuer))}") == found


CLOUDS = [
    ("https://login.microsoftonline.com", "https://cognitiveservices.azure.com", "https://sts.windows.net"),
    ("https://login.microsoftonline.us", "https://cognitiveservices.azure.us", "https://sts.windows.net"),
    (
        "https://login.partner.microsoftonline.cn",
        "https://cognitiveservices.azure.cn",
        "https://sts.chinacloudapi.cn",
    ),
    ("https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn", "https://sts.chinacloudapi.cn"),
]


@pytest.mark.parametrize(("authority", "audience", "v1"), CLOUDS)
def test_other_clouds(issuer: Issuer, authority: str, audience: str, v1: str) -> None:
    """Each takes its own tokens, and those of no other cloud; its authority is asked for its keys."""
    asked: list[str] = []
    refused: list[TokenInvalid] = []
    settings = load_settings(issuer.settings | {"SEGMENT_ENTRA_AUTHORITY": authority})
    assert settings.entra is not None

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return (
            json.dumps(issuer.document(url.removeprefix(authority)))
            .replace(issuer.authority, authority)
            .encode()
        )

    tokens = Tokens(settings.entra, SigningKeys(settings.entra, fetch))

    def found(**claims: object) -> str | type[SegmentError] | None:
        signed_in = request(headers={"Authorization": f"Bearer {issuer.token(issuer.claims(**claims))}"})
        try:
            return asyncio.run(tokens.caller(signed_in))
        except TokenInvalid as error:
            refused.append(error)
            return TokenInvalid

    assert found(iss=f"{v1}/{TENANT}/", aud=audience) == "shop"
    assert found(iss=f"{authority}/{TENANT}/v2.0", aud=APP) == "shop"
    for _, other_audience, other_v1 in CLOUDS:
        if other_audience != audience:
            assert found(iss=f"{v1}/{TENANT}/", aud=other_audience) is TokenInvalid
        if other_v1 != v1:
            assert found(iss=f"{other_v1}/{TENANT}/", aud=audience) is TokenInvalid
    assert asked[0].startswith(f"{authority}/{TENANT}/")
    assert refused
    for error in refused:
        assert f"({audience})" in error.message
        assert f'resource="{audience}"' in (error.challenge or "")


def test_signatures(issuer: Issuer) -> None:
    asked = gate(issuer)
    assert let_in(asked, f"Bearer {issuer.unsigned()}") is TokenInvalid
    assert let_in(asked, f"Bearer {issuer.hs256()}") is TokenInvalid
    assert let_in(asked, f"Bearer {signed(issuer.claims(), new_key())}") is TokenInvalid
    assert let_in(asked, f"bearer {issuer.token()}") == "shop"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer x", "Bearer a.b.c", f"Bearer {'x' * 100_000}"],
)
def test_what_is_no_token(issuer: Issuer, authorization: str) -> None:
    assert let_in(gate(issuer), authorization) is TokenInvalid


def test_of_two_tokens_none_is_taken(issuer: Issuer) -> None:
    twice = request(headers={"Authorization": f"Bearer {issuer.token()}"})
    twice.scope["headers"] = [*twice.scope["headers"], *twice.scope["headers"]]
    with pytest.raises(TokenInvalid):
        asyncio.run(gate(issuer)(twice))


def test_without_credentials(issuer: Issuer) -> None:
    for more, error in (({}, AccessDenied), ({"SEGMENT_KEYS": "off"}, TokenInvalid)):
        with pytest.raises(error) as raised:
            asyncio.run(gate(issuer, **more)(request()))
        assert raised.value.challenge == (
            f'Bearer authorization_uri="{issuer.authority}/{TENANT}", resource="{AUDIENCE}"'
        )


def test_keys_and_tokens_side_by_side(issuer: Issuer) -> None:
    token = f"Bearer {issuer.token()}"
    both = gate(issuer, SEGMENT_API_KEYS="app=secret", SEGMENT_ALLOW_ANONYMOUS="true")
    assert let_in(both, token) == "shop"
    assert let_in(both, "Bearer x", "secret") == "app"
    assert let_in(both, token, "wrong") == "shop"
    without_keys = gate(issuer, SEGMENT_API_KEYS="app=secret", SEGMENT_KEYS="off")
    assert let_in(without_keys, token) == "shop"
    assert let_in(without_keys, "Bearer x", "secret") is TokenInvalid


def test_with_an_empty_list_nobody_comes_in(issuer: Issuer) -> None:
    assert let_in(gate(issuer, SEGMENT_ENTRA_CALLERS=""), f"Bearer {issuer.token()}") is PermissionDenied


def test_keys_are_off_without_sign_in() -> None:
    off = Gate.of(
        load_settings({"SEGMENT_API_KEYS": "k", "SEGMENT_KEYS": "off", "SEGMENT_ALLOW_ANONYMOUS": "true"})
    )
    with pytest.raises(AccessDenied):
        asyncio.run(off(request(headers={KEY_HEADER: "k"})))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def with_clock(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> tuple[Gate, Clock]:
    clock = Clock()
    real = SigningKeys.__init__
    monkeypatch.setattr(
        SigningKeys, "__init__", lambda self, settings, fetch: real(self, settings, fetch, clock)
    )
    return gate(issuer), clock


def test_rotated_keys(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, clock = with_clock(issuer, monkeypatch)
    old = f"Bearer {issuer.token()}"
    assert let_in(asked, old) == "shop"
    issuer.published = {"second": new_key()}
    new = f"Bearer {issuer.token(key_id='second')}"
    for _ in range(50):
        assert let_in(asked, new) is TokenInvalid  # asked less than a minute ago
    assert len(issuer.asked) == 2
    clock.now += 61
    assert let_in(asked, new) == "shop"
    assert let_in(asked, old) is TokenInvalid
    assert len(issuer.asked) == 4


def test_keys_do_not_last_for_ever(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, clock = with_clock(issuer, monkeypatch)
    token = f"Bearer {issuer.token()}"
    assert let_in(asked, token) == "shop"
    issuer.published = {"second": new_key()}
    clock.now += 25 * 3600
    assert let_in(asked, token) is TokenInvalid


def test_the_issuer_is_away(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, clock = with_clock(issuer, monkeypatch)
    token = f"Bearer {issuer.token()}"
    issuer.fault = 500
    assert let_in(asked, token) is ServiceUnavailable
    issuer.fault = 0
    clock.now += 61
    assert let_in(asked, token) == "shop"
    issuer.fault = 500
    clock.now += 25 * 3600
    assert let_in(asked, token) == "shop"  # with the keys that were known


def test_many_at_once_ask_once(issuer: Issuer) -> None:
    asked, token = gate(issuer), f"Bearer {issuer.token()}"

    async def crowd() -> set[str]:
        calls = [asked(request(headers={"Authorization": token})) for _ in range(50)]
        return {caller.name for caller in await asyncio.gather(*calls)}

    assert asyncio.run(crowd()) == {"shop"}
    assert len(issuer.asked) == 2


def test_mutated_tokens(issuer: Issuer) -> None:
    """None lets in, and none is a fault."""
    good = issuer.token()
    tokens = Tokens.of(load_settings(issuer.settings))
    assert tokens is not None
    chance = random.Random(31)

    async def campaign() -> None:
        assert await tokens.caller(request(headers={"Authorization": f"Bearer {good}"})) == "shop"
        for _ in range(MUTATED):
            mutated = mutate(good, chance)
            with pytest.raises((TokenInvalid, PermissionDenied)):
                await tokens.caller(request(headers={"Authorization": f"Bearer {mutated}"}))
        assert len(issuer.asked) == 2

    asyncio.run(campaign())


def test_small_keys_are_none_of_ours(issuer: Issuer) -> None:
    document = {"keys": [issuer.document(f"/{TENANT}/discovery/v2.0/keys"), 7, {"kty": "EC"}, {"kty": "RSA"}]}
    with pytest.raises(ValueError, match="no key"):
        entra.signing_keys(document)
