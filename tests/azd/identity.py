"""Microsoft Entra: tokens for azd and for the app's managed identity, and who a token is."""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import jwt

from tests.azd.messages import Answer, Call, answer_json, error
from tests.azd.server import plain_server

TENANT = "33333333-3333-3333-3333-333333333333"
PERSON = "22222222-2222-2222-2222-222222222222"
"""Object id of who is signed in to azd."""
LIFE_S = 3600
MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
"""Audiences that Azure Resource Manager and the publishing endpoint take."""


@dataclass
class Entra:
    """Issues tokens for an audience, and knows them again."""

    key: str = field(default_factory=lambda: secrets.token_hex(32))
    azd_key: str = field(default_factory=lambda: secrets.token_hex(16))
    identity_header: str = field(default_factory=lambda: secrets.token_hex(16))
    principals: dict[str, str] = field(default_factory=dict)
    """Object ids of managed identities by their client ids; Azure Resource Manager adds them."""

    def token(self, audience: str, principal: str) -> str:
        """A token; Azurite looks at issuer, audience and times."""
        now = int(time.time())
        claims = {
            "aud": audience.removesuffix("/.default").rstrip("/"),
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + LIFE_S,
            "oid": principal,
            "tid": TENANT,
            "name": "A Person",
            "unique_name": "person@example.com",
            "upn": "person@example.com",
        }
        return jwt.encode(claims, self.key, "HS256")

    def principal(self, call: Call, *audiences: str) -> str | None:
        """Whose token comes with the call; None without one for one of these audiences."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        try:
            claims: Mapping[str, str] = jwt.decode(token, self.key, ["HS256"], audience=audiences)
        except jwt.InvalidTokenError:
            return None
        return claims["oid"]

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The URL of azd's external sign-in and of the managed identity's endpoint."""
        with plain_server(self._answer) as url:
            yield url

    def _answer(self, call: Call) -> Answer:
        if call.method == "POST" and call.path == "/token":
            return self._for_azd(call)
        if call.method == "GET" and call.path == "/identity":
            return self._for_identity(call)
        return error(404, "NotPlayed", str(call))

    def _for_azd(self, call: Call) -> Answer:
        """https://github.com/Azure/azure-dev: cli/azd/docs/external-authentication.md."""
        if call.headers.get("authorization") != f"Bearer {self.azd_key}":
            return answer_json({"status": "error", "code": "Unauthorized", "message": "wrong key"}, 401)
        (scope,) = call.json()["scopes"]
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LIFE_S))
        return answer_json({"status": "success", "token": self.token(scope, PERSON), "expiresOn": ends})

    def _for_identity(self, call: Call) -> Answer:
        """https://learn.microsoft.com/azure/app-service/overview-managed-identity: the REST endpoint."""
        if call.headers.get("x-identity-header") != self.identity_header:
            return error(401, "Unauthorized", "wrong X-IDENTITY-HEADER")
        principal = self.principals.get(call.query.get("client_id", ""))
        if principal is None:
            return error(400, "BadRequest", "no such identity is assigned to this app")
        resource = call.query["resource"]
        token = {
            "access_token": self.token(resource, principal),
            "expires_on": str(int(time.time()) + LIFE_S),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": call.query["client_id"],
        }
        return answer_json(token)
