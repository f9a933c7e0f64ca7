"""What a person does with the new service: calls of its address, blobs of its account."""

import ssl

import httpx

from tests.azd.azure import Azure
from tests.azd.identity import PERSON
from tests.azd.storage import AUDIENCE
from tests.azd.vault import AUDIENCE as VAULT
from tests.support.patience import PATIENCE_S, wait_for

SEGMENT = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"


class Person:
    """Reaches everything through the names it has on the internet."""

    def __init__(self, azure: Azure, proxy_url: str | None = None) -> None:
        """`proxy_url`: of another place than the office."""
        self._azure = azure
        self._proxy_url = proxy_url or azure.proxy_url
        self._believed = ssl.create_default_context(cafile=str(azure.authority.bundle))

    @property
    def key(self) -> str:
        """The first key, as the vault has it."""
        return self.key_named("api-key-1")

    def key_named(self, wanted: str) -> str:
        """As the vault of the site has it."""
        (vault,) = self._azure.arm.of_type("Microsoft.KeyVault/vaults")
        return self._azure.vault.secrets[vault["name"], wanted]

    def read_key(self, name: str) -> httpx.Response:
        """By the vault's own address, as `az` and `infra/keys.py` do."""
        (vault,) = self._azure.arm.of_type("Microsoft.KeyVault/vaults")
        headers = {"Authorization": f"Bearer {self._azure.entra.token(VAULT, PERSON)}"}
        address = f"https://{vault['name']}.vault.azure.net/secrets/{name}?api-version=7.4"
        return self._request("GET", address, headers)

    def cut_out(self, picture: bytes, key: str) -> httpx.Response:
        headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"}
        address = f"https://{self._azure.site.name}.azurewebsites.net{SEGMENT}"
        return self._request("POST", address, headers, picture)

    def ready(self) -> dict[str, str]:
        """What the service says of its network."""
        answer = self._request("GET", f"https://{self._azure.site.name}.azurewebsites.net/ready", {})
        document: dict[str, str] = answer.json()
        return document

    def upload(self, container: str, name: str, content: bytes) -> None:
        headers = {**self._headers(), "x-ms-blob-type": "BlockBlob"}
        self._request("PUT", self._blob(container, name), headers, content).raise_for_status()

    def wait_for(self, container: str, name: str) -> bytes:
        """The blob, when it is there. Raises TimeoutError."""

        def found() -> httpx.Response | None:
            answer = self._request("GET", self._blob(container, name), self._headers())
            return answer if answer.status_code == httpx.codes.OK else None

        return wait_for(found).content

    def _request(
        self, method: str, url: str, headers: dict[str, str], content: bytes = b""
    ) -> httpx.Response:
        """On a connection of its own."""
        with httpx.Client(
            proxy=self._proxy_url, verify=self._believed, timeout=PATIENCE_S, trust_env=False
        ) as client:
            return client.request(method, url, headers=headers, content=content)

    def _headers(self) -> dict[str, str]:
        token = self._azure.entra.token(AUDIENCE, PERSON)
        return {"Authorization": f"Bearer {token}", "x-ms-version": "2024-11-04"}

    def _blob(self, container: str, name: str) -> str:
        (account,) = self._azure.arm.of_type("Microsoft.Storage/storageAccounts")
        return f"https://{account['name']}.blob.core.windows.net/{container}/{name}"
