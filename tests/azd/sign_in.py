"""Microsoft Entra as a browser and the Azure tools meet it: a person signs in with an authorization code.

Endpoints and fields are those of OpenID Connect discovery and of RFC 6749 (4.1, 6) with what Microsoft's
libraries want beside them: `client_info`, and the metadata of instance discovery.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

import jwt

from tests.azd.identity import LIFE_S, PERSON, TENANT, Entra
from tests.azd.messages import Answer, Call, answer_json

HOST = "login.microsoftonline.com"
_NO_RESOURCE = {"email", "offline_access", "openid", "profile"}
"""Scopes that are no audience."""


@dataclass
class SignIn:
    """Codes are good once; whoever comes with the browser is the person."""

    entra: Entra
    signed_in: list[str] = field(default_factory=list)
    """Client ids of the programs that a person has signed in to."""
    _codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _refresh_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def answer(self, call: Call) -> Answer | None:
        """None for what is not played."""
        tenant, _, rest = call.path.strip("/").partition("/")
        match (call.method, rest):
            case ("GET", "discovery/instance"):
                return answer_json(_instances(tenant))
            case ("GET", "v2.0/.well-known/openid-configuration"):
                return answer_json(_configuration(tenant))
            case ("GET", "oauth2/v2.0/authorize"):
                return self._authorize(call.query)
            case ("POST", "oauth2/v2.0/token"):
                asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
                return self._token(asked)
        return None

    def _authorize(self, asked: Mapping[str, str]) -> Answer:
        """The person consents at once: back to the program, with a code."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        given, back = {"code": code, "state": asked["state"]}, asked["redirect_uri"]
        if asked.get("response_mode") == "form_post":
            fields = "".join(f'<input name="{name}" value="{value}">' for name, value in given.items())
            form = f'<form method="post" action="{back}">{fields}</form>'
            return Answer(200, form.encode(), {"Content-Type": "text/html"})
        return Answer(302, b"", {"Location": f"{back}?{urlencode(given)}"})

    def _token(self, asked: Mapping[str, str]) -> Answer:
        grant = asked["grant_type"]
        begun: Mapping[str, str] = {}
        if grant == "authorization_code":
            if asked["code"] not in self._codes:
                return _refused("AADSTS70008: The provided authorization code is expired.")
            begun = self._codes.pop(asked["code"])
            self.signed_in.append(asked["client_id"])
        elif grant != "refresh_token" or asked["refresh_token"] != self._refresh_token:
            return _refused("AADSTS70000: The provided grant is not known.")
        (resource,) = set(asked["scope"].split()) - _NO_RESOURCE
        return answer_json(
            {
                "token_type": "Bearer",
                "scope": resource,
                "expires_in": LIFE_S,
                "access_token": self.entra.token(resource, PERSON),
                "refresh_token": self._refresh_token,
                "id_token": self._id_token(asked["client_id"], begun.get("nonce", "")),
                "client_info": _unpadded({"uid": PERSON, "utid": TENANT}),
            }
        )

    def _id_token(self, client: str, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "aud": client,
            "iss": f"https://{HOST}/{TENANT}/v2.0",
            "iat": now,
            "exp": now + LIFE_S,
            "sub": PERSON,
            "oid": PERSON,
            "tid": TENANT,
            "name": "A Person",
            "preferred_username": "person@example.com",
            "nonce": nonce,
        }
        return jwt.encode(claims, self.entra.key, "HS256")


def _unpadded(claims: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def _refused(description: str) -> Answer:
    return answer_json({"error": "invalid_grant", "error_description": description}, 400)


def _configuration(tenant: str) -> dict[str, str]:
    issuer = TENANT if tenant in ("organizations", "common") else tenant
    return {
        "issuer": f"https://{HOST}/{issuer}/v2.0",
        "authorization_endpoint": f"https://{HOST}/{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"https://{HOST}/{tenant}/oauth2/v2.0/token",
    }


def _instances(tenant: str) -> dict[str, object]:
    metadata = {"preferred_network": HOST, "preferred_cache": "login.windows.net"}
    return {
        "tenant_discovery_endpoint": f"https://{HOST}/{tenant}/v2.0/.well-known/openid-configuration",
        "metadata": [{**metadata, "aliases": [HOST, "login.windows.net"]}],
    }
