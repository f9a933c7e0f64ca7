"""Who may call: one row for each kind of credential, and the gate that every call of the API passes."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from azurefunctions.extensions.http.fastapi import Request

from segment_function.clouds import cloud_of
from segment_function.entra import Tokens, challenge
from shared_code.errors import AccessDenied, SegmentError, TokenInvalid
from shared_code.settings import ApiKey, Settings, is_caller_name

KEY_HEADER = "Ocp-Apim-Subscription-Key"
CALLER_HEADER = "x-segment-caller"
"""By which a gateway says for whom it calls."""


@dataclass(frozen=True)
class Caller:
    """Somebody who may call. `name` is for records, and never a secret."""

    name: str


class Check(Protocol):
    """Checks one kind of credential."""

    async def __call__(self, request: Request) -> Caller | None:
        """The caller; None if the request has no valid credential of this kind.

        Raises a SegmentError for a credential that calls for another answer than AccessDenied.
        """


@dataclass(frozen=True)
class Credential:
    """A kind of credential: its security scheme in the API document, and how to make what checks it."""

    name: str
    scheme: Mapping[str, object]
    check: Callable[[Settings], Check]


@dataclass(frozen=True)
class KeyCheck:
    """The subscription keys of the settings. Without keys nobody may call, or everybody if allowed."""

    keys: tuple[ApiKey, ...]
    allow_anonymous: bool

    @classmethod
    def of(cls, settings: Settings) -> "KeyCheck":
        """As the settings say."""
        anonymous = settings.allow_anonymous and settings.keys and settings.entra is None
        return cls(settings.api_keys if settings.keys else (), anonymous)

    async def __call__(self, request: Request) -> Caller | None:
        """Compare the request's key with every configured one, in constant time."""
        if not self.keys:
            return Caller("anonymous") if self.allow_anonymous else None
        # Starlette decodes header bytes as Latin-1; this restores the caller's bytes.
        given = _digest(request.headers.get(KEY_HEADER, "").encode("latin-1", "replace"))
        matches = [hmac.compare_digest(given, _digest(known.key.encode())) for known in self.keys]
        return Caller(self.keys[matches.index(True)].name) if any(matches) else None


@dataclass(frozen=True)
class TokenCheck:
    """Access tokens of Microsoft Entra ID; without a tenant nobody has one."""

    tokens: Tokens | None

    @classmethod
    def of(cls, settings: Settings) -> "TokenCheck":
        """As the settings say."""
        return cls(Tokens.of(settings))

    async def __call__(self, request: Request) -> Caller | None:
        """Who has signed in. Raises TokenInvalid, PermissionDenied or ServiceUnavailable."""
        name = None if self.tokens is None else await self.tokens.caller(request)
        return None if name is None else Caller(name)


CREDENTIALS: Final = (
    Credential("subscriptionKey", {"type": "apiKey", "in": "header", "name": KEY_HEADER}, KeyCheck.of),
    Credential("entraToken", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}, TokenCheck.of),
)


@dataclass(frozen=True)
class Gate:
    """Admits callers with a valid credential of any kind; the kinds are checked in order.

    The caller that is called `gateway` may call for others, whom it names.
    """

    checks: tuple[Check, ...]
    refusal: Callable[[], SegmentError] = AccessDenied
    """Of one who has no credential that any check knows."""
    gateway: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "Gate":
        """For all kinds of credentials."""
        checks = tuple(credential.check(settings) for credential in CREDENTIALS)
        if settings.entra is None:
            return cls(checks, gateway=settings.gateway)
        how = challenge(settings.entra)
        if settings.keys:
            return cls(checks, partial(AccessDenied, how), settings.gateway)
        audience = cloud_of(settings.entra.authority).audience
        return cls(checks, partial(TokenInvalid, how, audience), settings.gateway)

    async def __call__(self, request: Request) -> Caller:
        """The caller. Raises the error of a check, or `refusal`."""
        for check in self.checks:
            caller = await check(request)
            if caller is not None:
                return self._named_by_gateway(request) if caller.name == self.gateway else caller
        raise self.refusal()

    def _named_by_gateway(self, request: Request) -> Caller:
        name = request.headers.get(CALLER_HEADER, "")
        return Caller(name if is_caller_name(name) else self.gateway)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
