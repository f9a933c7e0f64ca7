"""Calls to Azure and to the app, with the standard library and azd's sign-in."""

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
    """An answer. Status 0: there was none, and `body` says why."""

    status: int
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an empty one if it is not one."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def call(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
    """Send one request. Any status, and no answer at all, is a Reply; this never raises."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return Reply(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.read())
    except OSError as error:
        return Reply(0, str(getattr(error, "reason", error)).encode())


def bearer(audience: str) -> dict[str, str]:
    """The header with an access token of azd's user; empty if azd has none."""
    command = ["azd", "auth", "token", "--output", "json", "--scope", f"{audience}/.default"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        return {"Authorization": f"Bearer {json.loads(done.stdout)['token']}"}
    except (OSError, ValueError, KeyError):
        return {}


def unresolved_references() -> dict[str, str]:
    """Settings that the platform could not read from the vault, each with the platform's reason."""
    reply = call("GET", _references(), bearer(MANAGEMENT))
    found: dict[str, str] = {}
    entries = reply.json().get("value", [])
    for entry in entries if isinstance(entries, list) else []:
        status = entry.get("properties", {}).get("status", "")
        if status != "Resolved":
            found[entry.get("name", "")] = status
    return found


def resolve_references_again() -> bool:
    """Make the platform read the vault again. It caches what it has read, even a failure, for a day."""
    headers = {**bearer(MANAGEMENT), "Content-Length": "0"}
    return call("POST", _references("/refresh"), headers, b"").status in (200, 202)


def _references(below: str = "") -> str:
    subscription, group = os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"]
    site = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites"
    path = f"{site}/{os.environ['AZURE_FUNCTION_NAME']}/config/configreferences/appsettings"
    return f"{MANAGEMENT}{path}{below}?api-version=2022-03-01"
