"""Sign-in without keys: access tokens of Microsoft Entra ID, of one tenant, for callers that are listed.

https://learn.microsoft.com/entra/identity-platform/access-tokens says what is to be checked; PyJWT does it.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from azurefunctions.extensions.http.fastapi import Request

from segment_function.clouds import cloud_of
from segment_function.fetch.image_url import UrlPolicy, fetch_image
from segment_function.fetch.loops import FETCH_LOOPS
from shared_code.errors import (
    ImageSizeNotAllowed,
    PermissionDenied,
    ServiceUnavailable,
    TokenInvalid,
    UrlNotAccessible,
    UrlStatus,
)
from shared_code.settings import EntraSettings, Settings

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger(__name__)

type Fetch = Callable[[str], Awaitable[bytes]]

_ALGORITHM: Final = "RS256"
_MOST_TOKEN_CHARS: Final = 16 << 10
_MOST_DOCUMENT_BYTES: Final = 1 << 20
_LEAST_RSA_BITS: Final = 2048
_SKEW_S: Final = 300
"""Clock skew that is tolerated; Microsoft's own libraries tolerate as much."""
_REST_S: Final = 60.0
"""Least time between two fetches of the signing keys."""
_NO_KEYS_REST_S: Final = 5.0
"""The same, while no key is known."""
_KEYS_LAST_S: Final = 24 * 3600.0


def challenge(entra: EntraSettings) -> str:
    """The header WWW-Authenticate: where callers get a token, and for what (RFC 6750, section 3)."""
    return f'Bearer authorization_uri="{entra.url}", resource="{cloud_of(entra.authority).audience}"'


class SigningKeys:
    """The tenant's signing keys by their ids, fetched on first use and cached.

    A token with an unknown key id causes another fetch, at most once a minute for all callers together.
    """

    def __init__(
        self, entra: EntraSettings, fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._entra = entra
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._tried_at: float | None = None
        self._fetched_at: float | None = None
        self._turn = asyncio.Lock()

    async def get(self, key_id: str) -> "PyJWK | None":
        """The key, None if the tenant has none. Raises ServiceUnavailable if keys cannot be fetched."""
        if key_id not in self._keys or self._are_old():
            async with self._turn:
                if (key_id not in self._keys or self._are_old()) and self._may_try():
                    await self._refresh()
        found = self._keys.get(key_id)
        if found is None and self._tried_at != self._fetched_at:
            raise ServiceUnavailable
        return found

    def _are_old(self) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at > _KEYS_LAST_S

    def _may_try(self) -> bool:
        rest_s = _REST_S if self._keys else _NO_KEYS_REST_S
        return self._tried_at is None or self._clock() - self._tried_at > rest_s

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            document = json.loads(
                await self._fetch(f"{self._entra.url}/v2.0/.well-known/openid-configuration")
            )
            address = str(document["jwks_uri"])
            if not cloud_of(self._entra.authority).has(address):
                raise ValueError("the keys are on another host")
            keys = signing_keys(json.loads(await self._fetch(address)))
        except (
            UrlNotAccessible,
            UrlStatus,
            ImageSizeNotAllowed,
            ValueError,
            LookupError,
            TypeError,
            RecursionError,
        ) as error:
            log.error("signing keys of the tenant: %s", type(error).__name__)
            return
        self._keys = keys
        self._fetched_at = self._tried_at
        log.info("signing keys of the tenant: %d", len(keys))


def signing_keys(document: Mapping[str, object]) -> "dict[str, PyJWK]":
    """The RSA signing keys of a JWK Set (RFC 7517). Raises ValueError if it has none."""
    from jwt import PyJWK, PyJWTError

    entries = document["keys"]
    found: dict[str, PyJWK] = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(entry, _ALGORITHM)
        except (PyJWTError, ValueError, TypeError):
            continue
        if key.key_id and key.key.key_size >= _LEAST_RSA_BITS:
            found[key.key_id] = key
    if not found:
        raise ValueError("no key")
    return found


class Tokens:
    """Validates the bearer tokens of requests."""

    def __init__(self, entra: EntraSettings, keys: SigningKeys) -> None:
        self._entra = entra
        self._keys = keys
        cloud = cloud_of(entra.authority)
        self._audience = cloud.audience
        self._audiences = {cloud.audience, f"{cloud.audience}/"}
        for app in entra.app_ids:
            self._audiences |= {app, f"api://{app}"}
        self._issuers = cloud.issuers(entra.tenant)
        self._names = {caller.principal.lower(): caller.name for caller in entra.callers}

    @classmethod
    def of(cls, settings: Settings) -> "Tokens | None":
        """As the settings say; None if no tenant is configured."""
        entra = settings.entra
        if entra is None:
            return None
        policy = UrlPolicy(
            allowed_networks=settings.url_allowed_networks,
            allowed_ports=frozenset({entra.port}),
            max_bytes=_MOST_DOCUMENT_BYTES,
        )

        async def fetch(url: str) -> bytes:
            return await FETCH_LOOPS.run(fetch_image(url, policy))

        return cls(entra, SigningKeys(entra, fetch))

    async def caller(self, request: Request) -> str | None:
        """The name of the caller who has signed in; None if the request has no token.

        Raises TokenInvalid, PermissionDenied for a valid token of an unlisted caller, or ServiceUnavailable.
        """
        fields = request.headers.getlist("authorization")
        if not fields:
            return None
        scheme, _, token = fields[0].strip().partition(" ")
        if len(fields) > 1 or scheme.lower() != "bearer" or not 0 < len(token) <= _MOST_TOKEN_CHARS:
            raise self._invalid()
        claims = await self._claims(token.strip())
        roles = claims.get("roles")
        principals = [claims.get("oid"), *(roles if isinstance(roles, list) else [])]
        for principal in principals:
            if isinstance(principal, str) and principal.lower() in self._names:
                return self._names[principal.lower()]
        raise PermissionDenied

    async def _claims(self, token: str) -> dict[str, object]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key_id = header.get("kid")
            if header.get("alg") != _ALGORITHM or not isinstance(key_id, str):
                raise self._invalid()
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise self._invalid() from None
        key = await self._keys.get(key_id)
        if key is None:
            raise self._invalid()
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=self._audiences,
                issuer=self._issuers,
                leeway=_SKEW_S,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise self._invalid() from None
        if claims.get("tid") != self._entra.tenant:
            raise self._invalid()
        return claims

    def _invalid(self) -> TokenInvalid:
        return TokenInvalid(challenge(self._entra) + ', error="invalid_token"', self._audience)
