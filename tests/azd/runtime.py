"""What resources tell of themselves once they are there: what `reference(…)` gives."""

import uuid
from collections.abc import Mapping
from typing import Any

STORAGE_SUFFIX = "core.windows.net"
VAULT_SUFFIX = "vault.azure.net"


def client_id(identity_id: str) -> str:
    """Client id of a managed identity."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "client " + identity_id.lower()))


def principal_id(resource_id: str) -> str:
    """Object id of a managed identity, one of its own or a resource's."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "principal " + resource_id.lower()))


def connection_string(component_id: str) -> str:
    """Of an Application Insights component; hosts as those of West Europe."""
    key = uuid.uuid5(uuid.NAMESPACE_URL, "key " + component_id.lower())
    return (
        f"InstrumentationKey={key};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;"
        "LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;"
        f"ApplicationId={uuid.uuid5(uuid.NAMESPACE_URL, 'application ' + component_id.lower())}"
    )


def properties(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Of an evaluated resource: those it was given, and those that Azure adds."""
    id_, name = resource["id"], resource["name"]
    added: dict[str, Any] = {}
    match resource["type"]:
        case "Microsoft.ManagedIdentity/userAssignedIdentities":
            added = {"clientId": client_id(id_), "principalId": principal_id(id_)}
        case "Microsoft.Storage/storageAccounts":
            kinds = ("blob", "queue", "table", "file")
            added = {"primaryEndpoints": {kind: f"https://{name}.{kind}.{STORAGE_SUFFIX}/" for kind in kinds}}
        case "Microsoft.KeyVault/vaults":
            added = {"vaultUri": f"https://{name}.{VAULT_SUFFIX}/"}
        case "Microsoft.Insights/components":
            added = {"ConnectionString": connection_string(id_)}
        case "Microsoft.Web/sites":
            added = {"defaultHostName": f"{name}.azurewebsites.net"}
    return {**resource.get("properties", {}), **added}
