"""The Key Vault: secrets that the template makes once, read by who has a role on the vault."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.azd.identity import TENANT, Entra
from tests.azd.messages import Answer, Call, answer_json, error

AUDIENCE = "https://vault.azure.net"
MAY_READ = {"4633458b-17de-408a-b874-0445c86b69e6", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"}
MAY_WRITE = {"b86a8fe4-44ce-4948-aee5-eccb2c155cd7"}


@dataclass
class Vault:
    """All vaults of the subscription; secrets by vault and name."""

    entra: Entra
    has_role: Callable[[str, str, set[str]], bool]
    """Whether a principal has one of these roles on a vault."""
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    """Who has read a secret."""

    def make(self, secrets: Sequence[Mapping[str, Any]]) -> None:
        """`@onlyIfNotExists()`: what is there stays."""
        for secret in secrets:
            vault, _, name = secret["name"].partition("/")
            self.secrets.setdefault((vault, name), secret["properties"]["value"])

    def answer(self, call: Call) -> Answer:
        """https://learn.microsoft.com/rest/api/keyvault/secrets."""
        principal = self.entra.principal(call, AUDIENCE)
        if principal is None:
            challenge = (
                f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{AUDIENCE}"'
            )
            return answer_json({"error": {"code": "Unauthorized"}}, 401, WWW_Authenticate=challenge)
        vault = call.host.split(".")[0]
        kind, name, *_ = [*call.path.strip("/").split("/"), ""]
        if kind != "secrets" or call.method not in ("GET", "PUT"):
            return error(404, "NotPlayed", str(call))
        if not self.has_role(principal, vault, MAY_READ if call.method == "GET" else MAY_WRITE):
            return error(
                403, "Forbidden", f"Caller is not authorized to perform action on resource. Vault: {vault}"
            )
        if call.method == "PUT":
            self.secrets[vault, name] = call.json()["value"]
        if (vault, name) not in self.secrets:
            return error(
                404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault."
            )
        self.reads.append(principal)
        now = int(time.time())
        return answer_json(
            {
                "value": self.secrets[vault, name],
                "id": f"https://{call.host}/secrets/{name}/{uuid.uuid4().hex}",
                "attributes": {"enabled": True, "created": now, "updated": now},
            }
        )
