"""Sign-in with Microsoft Entra ID: a bearer token with every call, renewed before it expires."""

import asyncio
import base64
import inspect
import json
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import Protocol

import httpx

from segment_client.errors import NoToken, printable

AUDIENCE = "https://cognitiveservices.azure.com"
"""Of the retired service. Other clouds have others, and so have services with an app registration."""
_EARLY_S = 300
"""How long before its end a token is renewed, as Microsoft's own clients do."""


class Token(Protocol):
    """An access token, as a credential returns it."""

    @property
    def token(self) -> str:
        """The text to send."""

    @property
    def expires_on(self) -> int:
        """Seconds since 1970 (UTC)."""


class Credential(Protocol):
    """One of azure-identity's, or any object like them; `get_token` may be a coroutine function."""

    def get_token(self, *scopes: str) -> Token | Awaitable[Token]:
        """A token for a scope, which is an audience and `/.default`."""


def default_credential() -> Credential:
    """Azure's default: environment variables, a managed identity, `az login` and others.

    Raises ValueError if azure-identity is not installed.
    """
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise ValueError("sign-in needs azure-identity: pip install 'segment-client[entra]'") from None
    credential: Credential = DefaultAzureCredential()
    return credential


class SignIn(httpx.Auth):
    """Adds the token to a request."""

    def __init__(self, credential: Credential, audience: str) -> None:
        self._credential = credential
        self._scope = f"{audience.removesuffix('/.default').rstrip('/')}/.default"
        self._token: Token | None = None
        self._turn = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises NoToken."""
        request.headers["Authorization"] = f"Bearer {(await self._current()).token}"
        yield request

    @property
    def principal(self) -> str:
        """The object id in the token, for messages; "" if it cannot be read."""
        try:
            payload = self._token.token.split(".")[1] if self._token else ""
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return printable(str(claims["oid"]))[:64]
        except (ValueError, LookupError, TypeError, RecursionError):
            return ""

    @property
    def scope(self) -> str:
        """The scope of the tokens."""
        return self._scope

    async def _current(self) -> Token:
        async with self._turn:
            if self._token is None or self._token.expires_on - time.time() < _EARLY_S:
                self._token = await self._new()
            return self._token

    async def _new(self) -> Token:
        try:
            got = await asyncio.to_thread(self._credential.get_token, self._scope)
            return await got if inspect.isawaitable(got) else got
        except Exception as error:  # credentials may raise anything
            first_line = str(error).strip().partition("\n")[0]
            raise NoToken(f"No access token: {first_line or type(error).__name__}") from error


def about_refusal(error_id: str, sign_in: SignIn | None) -> str:
    """A hint that follows the service's message; "" for none."""
    if sign_in is None:
        wants = error_id == "E-TOKEN"
        return " The service wants callers to sign in: --entra, or a credential." if wants else ""
    if error_id == "E-TOKEN":
        return f" The token was for {sign_in.scope}, of the tenant that the credential belongs to."
    if error_id == "E-403" and sign_in.principal:
        return f" You are signed in as {sign_in.principal}; whoever runs the service can let you in."
    return ""
