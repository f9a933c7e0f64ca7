"""Calls of Azure and of the app, with the standard library and the sign-in that azd has."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass

MANAGEMENT = "https://management.azure.com"
VAULT = "https://vault.azure.net"
_PATIENCE_S = 240


@dataclass(frozen=True)
class Reply:
    """Status 0: nobody answered, and `body` says why."""

    status: int
    body: bytes

    def json(self) -> dict[str, object]:
        """The document; an empty one where it is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def call(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
    """One request; never raises for an answer, nor for none."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return Reply(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.read())
    except OSError as error:
        return Reply(0, str(getattr(error, "reason", error)).encode())


def bearer(audience: str) -> dict[str, str]:
    """The header with a token of who is signed in to azd; empty where there is none."""
    command = ["azd", "auth", "token", "--output", "json", "--scope", f"{audience}/.default"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        return {"Authorization": f"Bearer {json.loads(done.stdout)['token']}"}
    except (OSError, ValueError, KeyError):
        return {}


def unresolved_references() -> dict[str, str]:
    """Settings whose value the platform could not read from the vault, with what it says of each."""
    reply = call("GET", _references(), bearer(MANAGEMENT))
    found: dict[str, str] = {}
    entries = reply.json().get("value", [])
    for entry in entries if isinstance(entries, list) else []:
        status = entry.get("properties", {}).get("status", "")
        if status != "Resolved":
            found[entry.get("name", "")] = status
    return found


def resolve_references_again() -> bool:
    """Have the platform read the vault; it keeps what it has read, a failure too, for a day."""
    headers = {**bearer(MANAGEMENT), "Content-Length": "0"}
    return call("POST", _references("/refresh"), headers, b"").status in (200, 202)


def _references(below: str = "") -> str:
    subscription, group = os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"]
    site = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites"
    path = f"{site}/{os.environ['AZURE_FUNCTION_NAME']}/config/configreferences/appsettings"
    return f"{MANAGEMENT}{path}{below}?api-version=2022-03-01"
