import asyncio

import pytest
from azurefunctions.extensions.http.fastapi import Request

from segment_function.callers import CALLER_HEADER, KEY_HEADER, Caller, Gate, KeyCheck
from shared_code.errors import AccessDenied, ResourceNotFound, SegmentError
from shared_code.settings import load_settings
from tests.segment_function.asgi import request

TWO = {"SEGMENT_API_KEYS": "first-key,second-key"}
NAMED = {"SEGMENT_API_KEYS": "shop=first-key,second-key==,app=third=key=", "SEGMENT_API_KEY_1": "vault-key"}
ANYONE = {"SEGMENT_ALLOW_ANONYMOUS": "true"}


def let_in(environment: dict[str, str], key: str | None) -> Caller:
    headers = {} if key is None else {KEY_HEADER: key}
    return asyncio.run(Gate.of(load_settings(environment))(request(headers=headers)))


@pytest.mark.parametrize(
    ("environment", "key", "name"),
    [
        (TWO, "first-key", "key-1"),
        (TWO, "second-key", "key-2"),
        (TWO | ANYONE, "second-key", "key-2"),
        (NAMED, "first-key", "shop"),
        (NAMED, "second-key==", "key-2"),
        (NAMED, "third=key=", "app"),
        (NAMED, "vault-key", "key-1"),
        (ANYONE, None, "anonymous"),
        (ANYONE, "whatever", "anonymous"),
    ],
)
def test_lets_in(environment: dict[str, str], key: str | None, name: str) -> None:
    assert let_in(environment, key) == Caller(name)


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({}, None),
        ({}, ""),
        ({}, "anything"),
        ({"SEGMENT_API_KEYS": " , "}, ""),
        (TWO, None),
        (TWO, ""),
        (TWO, "first-ke"),
        (TWO, "first-keys"),
        (TWO, "FIRST-KEY"),
        (TWO, "first-key,second-key"),
        (TWO, " first-key"),
        (NAMED, "shop=first-key"),
        (NAMED, "shop"),
        (NAMED, "="),
        (NAMED, "=="),
        (NAMED, "key="),
        (TWO, "first-k\xe4y"),
        (TWO, "schlüssel"),
        (TWO | ANYONE, None),
        (TWO | ANYONE, "wrong"),
    ],
)
def test_keeps_out(environment: dict[str, str], key: str | None) -> None:
    with pytest.raises(AccessDenied):
        let_in(environment, key)


class Badge:
    """Another kind of credential."""

    async def __call__(self, request: Request) -> Caller | None:
        if request.headers.get("badge") == "stranger":
            raise ResourceNotFound
        return Caller("guest") if request.headers.get("badge") == "guest" else None


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"badge": "guest"}, Caller("guest")),
        ({KEY_HEADER: "second-key", "badge": "no"}, Caller("key-2")),
        ({"badge": "no"}, AccessDenied),
        ({"badge": "stranger"}, ResourceNotFound),
    ],
)
def test_any_kind_of_credential_will_do(headers: dict[str, str], found: Caller | type[SegmentError]) -> None:
    gate = Gate((KeyCheck.of(load_settings(TWO)), Badge()))
    call = gate(request(headers=headers))
    if isinstance(found, Caller):
        assert asyncio.run(call) == found
    else:
        with pytest.raises(found):
            asyncio.run(call)


def test_no_key_is_printed() -> None:
    printed = repr(Gate.of(load_settings(NAMED)))
    assert "shop" in printed
    assert not any(secret in printed for secret in ("first-key", "second-key", "third", "vault-key"))


@pytest.mark.parametrize(
    ("key", "named", "caller"),
    [
        ("secret", "shop", "shop"),
        ("secret", None, "gateway"),
        ("secret", "", "gateway"),
        ("secret", "two words", "gateway"),
        ("secret", "x" * 33, "gateway"),
        ("other", "shop", "app"),
    ],
)
def test_a_gateway_says_who_calls(key: str, named: str | None, caller: str) -> None:
    settings = load_settings({"SEGMENT_API_KEYS": "gateway=secret,app=other", "SEGMENT_GATEWAY": "gateway"})
    headers = {KEY_HEADER: key} | ({} if named is None else {CALLER_HEADER: named})
    assert asyncio.run(Gate.of(settings)(request(headers=headers))).name == caller


def test_without_a_gateway_nobody_says_who_calls() -> None:
    settings = load_settings({"SEGMENT_API_KEYS": "app=secret"})
    headers = {KEY_HEADER: "secret", CALLER_HEADER: "shop"}
    assert asyncio.run(Gate.of(settings)(request(headers=headers))).name == "app"
