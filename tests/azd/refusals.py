"""What Azure refuses for reasons that no template tells: each a deployment's error as people have met it.

Codes and texts are those that are quoted in public reports: quota azure-cli 31665 and stratus-red-team 875,
provider localden/remote-auth-mcp-apim-py 4, policy Azure-Landing-Zones 2954, roles azure-search-openai-demo
599, deleted vault data-safe-haven 2523. Those about regions are from memory.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tests.azd.messages import Answer, error
from tests.azd.template import Deployment

OUTER = "InvalidTemplateDeployment"
type Refusal = Callable[[Deployment], Answer | None]
PLAN, STORAGE = "Microsoft.Web/serverfarms", "Microsoft.Storage/storageAccounts"
ROLES = "Microsoft.Authorization/roleAssignments"


def no_quota(region: str) -> Refusal:
    """The subscription may have no instance there."""
    text = (
        "Operation cannot be completed without additional quota. \r\n"
        f"Additional details - Location: {region} \r\n"
        "Current Limit (FlexConsumption VMs): 0 \r\n"
        "Current Usage: 0\r\n"
        "Amount required for this deployment (FlexConsumption VMs): 1 \r\n"
        "(Minimum) New Limit that you should request to enable this deployment: 1."
    )

    def refuse(deployment: Deployment) -> Answer | None:
        here = any(plan["location"] == region for plan in deployment.of_type(PLAN))
        return _invalid("Unauthorized", text) if here else None

    return refuse


def not_offered(region: str, others: str) -> Refusal:
    """The region does not have the plan."""
    text = (
        f"The provided location '{region}' is not available for resource type '{PLAN}'. "
        f"List of available regions for the resource type is '{others}'."
    )

    def refuse(deployment: Deployment) -> Answer | None:
        here = any(plan["location"] == region for plan in deployment.of_type(PLAN))
        return _invalid("LocationNotAvailableForResourceType", text) if here else None

    return refuse


def public_storage_denied(deployment: Deployment) -> Answer | None:
    """A company's policy that storage accounts restrict network access."""
    for account in deployment.of_type(STORAGE):
        if account["properties"]["networkAcls"]["defaultAction"] != "Deny":
            # What it is assigned by has an id of this form too; azd prints whatever stands here.
            policy = (
                "/providers/Microsoft.Authorization/policyDefinitions/34c877ad-507e-4c82-993e-3452a6e0ad3c"
            )
            named = {"name": "Storage accounts should restrict network access", "id": policy}
            text = (
                f"Resource '{account['name']}' was disallowed by policy. "
                f"Policy identifiers: '{json.dumps([{'policyDefinition': named}])}'."
            )
            return _invalid("RequestDisallowedByPolicy", text)
    return None


def no_right_to_assign(person: str, may_assign: Callable[[], bool]) -> Refusal:
    """Contributors may make everything but role assignments."""

    def refuse(deployment: Deployment) -> Answer | None:
        for role in deployment.of_type(ROLES):
            if may_assign():
                break
            text = (
                "The template deployment failed with error: 'Authorization failed for template resource "
                f"'{role['name']}' of type '{ROLES}'. "
                f"The client 'person@example.com' with object id '{person}' does not have permission to "
                f"perform action '{ROLES}/write' at scope '{role['id']}'.'."
            )
            return error(403, OUTER, text)
        return None

    return refuse


def not_registered(registered: Callable[[], set[str]]) -> Refusal:
    """A subnet for Flex Consumption is the business of Microsoft.App."""

    def refuse(deployment: Deployment) -> Answer | None:
        if not deployment.of_type("Microsoft.Network/virtualNetworks") or "Microsoft.App" in registered():
            return None
        (site,) = deployment.of_type("Microsoft.Web/sites")
        (network,) = deployment.of_type("Microsoft.Network/virtualNetworks")
        text = (
            "The ServiceAssociationLink (SAL) related operation failed with error 'Unable to integrate "
            f"function app [{site['name']}] with subnet [{network['id']}/subnets/app] due to error: "
            "[Please check if 'Microsoft.App' is registered as a resource provider in your subscription."
        )
        return _invalid("Unauthorized", text)

    return refuse


def deleted_vault(names: Collection[str]) -> Refusal:
    """Names that are taken for a week, unless the vault is brought back."""
    text = (
        "A vault with the same name already exists in deleted state. You need to either recover or purge "
        "existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more "
        "information on soft delete."
    )

    def refuse(deployment: Deployment) -> Answer | None:
        for vault in deployment.of_type("Microsoft.KeyVault/vaults"):
            if vault["name"] in names and vault["properties"].get("createMode") != "recover":
                return error(409, "ConflictError", text, [{"code": "ConflictError", "message": text}])
        return None

    return refuse


def group_elsewhere(resources: Mapping[str, Mapping[str, Any]]) -> Refusal:
    """A resource group stays where it was made."""

    def refuse(deployment: Deployment) -> Answer | None:
        for group in deployment.of_type("Microsoft.Resources/resourceGroups"):
            there = resources.get(group["id"], group)["location"]
            if there != group["location"]:
                text = (
                    f"Invalid resource group location '{group['location']}'. "
                    f"The Resource group already exists in location '{there}'."
                )
                code = "InvalidResourceGroupLocation"
                return error(409, code, text, [{"code": code, "message": text}])
        return None

    return refuse


def _invalid(code: str, text: str) -> Answer:
    """What validation answers: an outer error, and within it the one that people quote."""
    outer = "The template deployment is not valid according to the validation procedure. See inner errors."
    return error(400, OUTER, outer, [{"code": code, "message": text}])
