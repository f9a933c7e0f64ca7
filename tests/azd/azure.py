"""The rehearsed Azure, wired: who answers which host."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.azd.arm import ResourceManager
from tests.azd.certificates import Authority
from tests.azd.firewall import lets_in
from tests.azd.identity import Entra
from tests.azd.messages import Answer, Call, answer_json, error
from tests.azd.proxy import proxy
from tests.azd.runtime import client_id
from tests.azd.sign_in import HOST as SIGN_IN
from tests.azd.sign_in import SignIn
from tests.azd.site import Site, site
from tests.azd.storage import Storage, storage
from tests.azd.telemetry import Telemetry
from tests.azd.template import Deployment
from tests.azd.vault import MAY_READ, Vault
from tests.infra.cli import Bicep

OFFICE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
"""Public addresses: of people and their laptops, and of somebody else."""
_STORAGE = "Microsoft.Storage/storageAccounts"


@dataclass
class Azure:
    """Everything that is played, and what was asked that is not."""

    entra: Entra
    authority: Authority
    arm: ResourceManager
    vault: Vault
    site: Site
    storage: Storage
    telemetry: Telemetry
    sign_in: SignIn
    proxy_url: str = ""
    sign_in_url: str = ""
    calls: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """What lets any program meet this Azure in place of the real one."""
        bundle = str(self.authority.bundle)
        return {
            "HTTPS_PROXY": self.proxy_url,
            "https_proxy": self.proxy_url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
            "CURL_CA_BUNDLE": bundle,
        }

    def answer(self, call: Call) -> Answer:
        """To a call of any host that is played."""
        try:
            answer = self._answer(call)
        except Exception as failure:
            with self._turn:
                self.unknown.append(f"{call}: {failure!r}")
            raise
        with self._turn:
            self.calls.append(f"{answer.status if answer else '???'} {call}")
            if answer is None:
                self.unknown.append(str(call))
        return answer or error(501, "NotPlayed", f"nobody plays {call}")

    def _answer(self, call: Call) -> Answer | None:
        host = call.host
        if host == "management.azure.com":
            return self.arm.answer(call)
        if host == SIGN_IN:
            return self.sign_in.answer(call)
        if host.endswith((".vault.azure.net", ".core.windows.net")) and not self._lets_in(call):
            return error(403, "Forbidden", f"Client address is not authorized: {call.source}")
        if host.endswith(".vault.azure.net"):
            return self.vault.answer(call)
        if host.endswith(".scm.azurewebsites.net"):
            return self.site.publish(call) if host.startswith(f"{self.site.name}.") else None
        if host.endswith(".azurewebsites.net"):
            return self.site.answer(call) if host.startswith(f"{self.site.name}.") else None
        if host.endswith(("applicationinsights.azure.com", "livediagnostics.monitor.azure.com")):
            return self.telemetry.answer(call)
        if host == "settings.sdk.monitor.azure.com":  # switches of Azure Monitor's library: none is thrown
            return Answer(404)
        if (
            host == "aka.ms"
        ):  # lists of Bicep's public modules and of azd's extensions: this project uses none
            return Answer(404)
        if host.endswith(".core.windows.net"):
            return self.storage.answer(call)
        return None

    def _lets_in(self, call: Call) -> bool:
        """The firewall of the account or vault that is called."""
        name = call.host.split(".")[0]
        called = [*self.arm.of_type(_STORAGE), *self.arm.of_type("Microsoft.KeyVault/vaults")]
        return all(lets_in(one["properties"], call.source) for one in called if one["name"] == name)

    @contextmanager
    def seen_from(self, address: str) -> Iterator[str]:
        """The URL of a proxy whose users have this public address; `""` for those inside the network."""
        with proxy(lambda call: self.answer(replace(call, source=address)), self.authority) as url:
            yield url

    def made(self, deployment: Deployment) -> None:
        """What a deployment makes that is not in Resource Manager alone."""
        for account in deployment.of_type(_STORAGE):
            containers = deployment.of_type(f"{_STORAGE}/blobServices/containers")
            queues = deployment.of_type(f"{_STORAGE}/queueServices/queues")
            names = [[item["name"].rpartition("/")[2] for item in items] for items in (containers, queues)]
            self.storage.make(account["name"], *names)
        for subscription in deployment.of_type("Microsoft.EventGrid/systemTopics/eventSubscriptions"):
            self.storage.subscription = subscription["properties"]
        self.vault.make(deployment.of_type("Microsoft.KeyVault/vaults/secrets"))
        for app in deployment.of_type("Microsoft.Web/sites"):
            self.site.name, self.site.resource = app["name"], app
        for extension in deployment.of_type("Microsoft.Web/sites/extensions"):
            self.site.fetch(extension)

    def deleted(self) -> None:
        """The group is gone, and all that was in it; the vault's secrets can be recovered with it."""
        self.site.stop()
        self.site.name, self.site.published = "", []
        self.storage.end()

    def below_site(self, call: Call, rest: str) -> Answer:
        """Calls of Resource Manager below the site."""
        base = "/config/configreferences/appsettings"
        statuses = [
            {"name": name, "properties": {"status": status, "details": ""}}
            for name, status in self.site.statuses().items()
        ]
        if call.method == "POST" and rest.lower() == f"{base}/refresh":
            self.site.refresh()
            return answer_json({"value": statuses})
        if call.method == "GET" and rest.lower() == base:
            return answer_json({"value": statuses})
        return self._not_played(call)

    def _not_played(self, call: Call) -> Answer:
        self.unknown.append(str(call))
        return error(501, "NotPlayed", f"nobody plays {call}")

    def secret_for_app(self, vault: str, name: str) -> str | None:
        """What the platform reads with the identity that the site names for its references."""
        identity = self.site.resource["properties"]["keyVaultReferenceIdentity"]
        principal = self.entra.principals.get(client_id(identity), "")
        return (
            self.vault.secrets.get((vault, name)) if self.arm.has_role(principal, vault, MAY_READ) else None
        )


@contextmanager
def rehearsed_azure(folder: Path, bicep: Bicep) -> Iterator[Azure]:
    """An empty subscription, until the end of the block."""
    (folder / "template").mkdir()
    entra, authority = Entra(), Authority(folder)
    with ExitStack() as stack:
        accounts = stack.enter_context(storage(entra, authority, folder))
        app = stack.enter_context(site(entra, folder))
        arm = ResourceManager(entra, bicep, folder / "template")
        azure = Azure(
            entra, authority, arm, Vault(entra, arm.has_role), app, accounts, Telemetry(entra), SignIn(entra)
        )
        arm.made, arm.deleted, arm.site_answer = azure.made, azure.deleted, azure.below_site
        app.read_secret = azure.secret_for_app
        azure.sign_in_url = stack.enter_context(entra.serving())
        azure.proxy_url = stack.enter_context(azure.seen_from(""))
        app.platform = {
            **azure.environment,
            "IDENTITY_ENDPOINT": f"{azure.sign_in_url}/identity",
            "IDENTITY_HEADER": entra.identity_header,
            "PYTHONDONTWRITEBYTECODE": "1",  # an instance cannot write where the package lies
        }
        azure.proxy_url = stack.enter_context(azure.seen_from(OFFICE))
        yield azure
