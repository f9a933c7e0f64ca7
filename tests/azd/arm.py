"""Azure Resource Manager: one subscription, its deployments, and what they make."""

import hashlib
import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.azd.expressions import UnknownExpression
from tests.azd.identity import MANAGEMENT, PERSON, TENANT, Entra
from tests.azd.messages import Answer, Call, answer_json, error
from tests.azd.refusals import Refusal, deleted_vault, group_elsewhere
from tests.azd.runtime import properties
from tests.azd.template import Deployment, Place, evaluate_deployment
from tests.infra import flex
from tests.infra.cli import Bicep
from tests.infra.evaluator import TemplateRefused

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
KNOWN_ROLES = {"Role Based Access Control Administrator": "f58310d9-a9f6-439a-9e8d-f62e7b41a168"}
"""Those that somebody looks for by their id; others get any."""
_ROOT = f"/subscriptions/{SUBSCRIPTION}"
_DEPLOYMENTS = f"{_ROOT}/providers/Microsoft.Resources/deployments"
_DEPLOYMENT = re.compile(rf"{re.escape(_DEPLOYMENTS)}/([\w.-]+)(/\w+)?(/[\w-]+)?", re.I)
_GROUP = re.compile(rf"{_ROOT}/resourcegroups/([\w.-]+)", re.I)
_SITE = re.compile(rf"{_ROOT}/resourcegroups/[\w.-]+/providers/microsoft\.web/sites/([\w-]+)(/.*)?", re.I)
_PROVIDER = re.compile(rf"{_ROOT}/providers/(Microsoft\.\w+)(/register|/resourceTypes)?")
_PUT_ALONE = re.compile(
    r"/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[\w-]+(/federatedIdentityCredentials/[\w.-]+)?$"
    r"|/providers/Microsoft\.Authorization/roleAssignments/[\w-]+$"
)
REGIONS = ("westeurope", "swedencentral", "eastus2", "israelcentral", "japanwest", "eastus2euap")


@dataclass
class ResourceManager:
    """What is in the subscription."""

    entra: Entra
    bicep: Bicep
    folder: Path
    made: Callable[[Deployment], None] = lambda _: None
    """Told of each deployment that has succeeded."""
    deleted: Callable[[], None] = lambda: None
    """Told when the group is gone."""
    site_answer: Callable[[Call, str], Answer] = lambda _call, _rest: Answer(501)
    """Answers calls below a site."""
    failure: Answer | None = None
    """What `validate` answers, in place of its own opinion; a rehearsal may set it."""
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: list[dict[str, Any]] = field(default_factory=list)
    """Of each deployment that was put or tried, in order."""
    month: str = "2026-01-01"
    """First day of the current one; a rehearsal may let time pass."""
    refusals: list[Refusal] = field(default_factory=list)
    """What is refused beside the checks of its own; a rehearsal may add some."""
    registered: set[str] = field(default_factory=set)
    """Providers that a person has registered."""
    deleted_vaults: set[str] = field(default_factory=set)
    """Names that are taken for seven days more: purge protection lets nobody free them."""
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def has_role(self, principal: str, vault: str, roles: set[str]) -> bool:
        """Whether an assignment that a deployment has made says so."""
        for resource in self.of_type("Microsoft.Authorization/roleAssignments"):
            given = resource["properties"]
            on_vault = f"/vaults/{vault}/" in resource["id"]
            role = given["roleDefinitionId"].rpartition("/")[2]
            if on_vault and given["principalId"] == principal and role in roles:
                return True
        return False

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [resource for resource in self.resources.values() if resource["type"] == kind]

    def answer(self, call: Call) -> Answer | None:
        """None for what is not played."""
        if self.entra.principal(call, *MANAGEMENT) is None:
            return error(401, "AuthenticationFailed", "a token for Azure Resource Manager is wanted")
        if call.method == "POST" and call.path == "/providers/Microsoft.Resources/calculateTemplateHash":
            return answer_json({"minifiedTemplate": call.body.decode(), "templateHash": _hash(call.json())})
        with self._turn:
            for played in (self._subscription, self._deployment, self._group, self._site, self._others):
                answer = played(call)
                if answer is not None:
                    return answer
        return None

    def _subscription(self, call: Call) -> Answer | None:
        path = call.path.rstrip("/").lower()
        one = {
            "id": _ROOT,
            "subscriptionId": SUBSCRIPTION,
            "displayName": "Rehearsal",
            "state": "Enabled",
            "tenantId": TENANT,
        }
        answers: dict[str, object] = {
            "/tenants": {
                "value": [{"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": "Rehearsal"}]
            },
            "/subscriptions": {"value": [one]},
            _ROOT: one,
            f"{_ROOT}/locations": {"value": [_region(name) for name in REGIONS]},
        }
        return answer_json(answers[path]) if call.method == "GET" and path in answers else None

    def _deployment(self, call: Call) -> Answer | None:
        if call.path.rstrip("/").lower() == _DEPLOYMENTS.lower():
            return answer_json({"value": list(self.deployments.values())})
        match = _DEPLOYMENT.fullmatch(call.path)
        if match is None:
            return None
        name, what, _ = match[1], (match[2] or "").lower(), match[3]
        if call.method == "POST" and what in ("/validate", "/whatif"):
            return self._tried(call, name, what)
        if call.method == "PUT" and not what:
            return self._put(call, name)
        if call.method == "GET" and what == "/operationstatuses":
            return answer_json({"status": "Succeeded"})
        if call.method == "GET" and what == "/operations":
            return answer_json({"value": []})
        if name not in self.deployments:
            return error(404, "DeploymentNotFound", f"Deployment '{name}' could not be found.")
        if call.method == "GET" and not what:
            return answer_json(self.deployments[name])
        if call.method == "DELETE" and not what:
            del self.deployments[name]
            return Answer(204)
        return None

    def _tried(self, call: Call, name: str, what: str) -> Answer:
        if self.failure is not None:
            return self.failure
        deployment = self._evaluated(call)
        if isinstance(deployment, Answer):
            return deployment
        if what == "/validate":
            given = {"provisioningState": "Succeeded", "validatedResources": []}
            return answer_json(
                {"id": f"{_ROOT}/providers/Microsoft.Resources/deployments/{name}", "properties": given}
            )
        changes = [
            {
                "resourceId": resource["id"],
                "changeType": "NoChange" if resource["id"] in self.resources else "Create",
                "after": {"id": resource["id"], "name": resource["name"], "type": resource["type"]},
            }
            for resource in deployment.resources
        ]
        return answer_json({"status": "Succeeded", "properties": {"changes": changes}})

    def _put(self, call: Call, name: str) -> Answer:
        deployment = self._evaluated(call)
        if isinstance(deployment, Answer):
            return deployment
        sent = call.json()
        for resource in deployment.resources:
            self.resources[resource["id"]] = {**resource, "properties": properties(resource)}
        for identity in deployment.of_type("Microsoft.ManagedIdentity/userAssignedIdentities"):
            given = properties(identity)
            self.entra.principals[given["clientId"]] = given["principalId"]
        self.deleted_vaults -= {vault["name"] for vault in deployment.of_type("Microsoft.KeyVault/vaults")}
        self.made(deployment)
        id_ = f"{_DEPLOYMENTS}/{name}"
        self.deployments[name] = {
            "id": id_,
            "name": name,
            "type": "Microsoft.Resources/deployments",
            "location": sent.get("location"),
            "tags": sent.get("tags"),
            "properties": {
                "provisioningState": "Succeeded",
                "templateHash": _hash(sent["properties"]["template"]),
                "mode": "Incremental",
                "timestamp": f"{self.month}T00:{len(self.parameters):02}:00Z",  # azd takes the newest
                "correlationId": SUBSCRIPTION,
                "parameters": sent["properties"].get("parameters") or {},
                "outputs": {name: _typed(value) for name, value in deployment.outputs.items()},
                "outputResources": [{"id": resource["id"]} for resource in deployment.resources],
                "dependencies": [],
            },
        }
        status = f"https://{call.host}{id_}/operationStatuses/1?api-version=2021-04-01"
        return answer_json(self.deployments[name], 201, Azure_AsyncOperation=status)

    def _evaluated(self, call: Call) -> Deployment | Answer:
        """The deployment, or what Azure has against it."""
        sent = call.json()
        given = sent["properties"]
        parameters = given.get("parameters") or {}
        self.parameters.append({name: entry["value"] for name, entry in parameters.items()})
        place = Place(SUBSCRIPTION, sent["location"], PERSON, self.month)
        try:
            deployment = evaluate_deployment(self.bicep, self.folder, given["template"], parameters, place)
        except (TemplateRefused, UnknownExpression) as refusal:
            return error(400, "InvalidTemplate", str(refusal))
        for resource in deployment.of_type("Microsoft.Web/sites"):
            names = flex.refused(resource)
            if names:
                return error(
                    400,
                    "BadRequest",
                    flex.message(names),
                    [{"code": flex.CODE, "message": flex.message(names)}],
                )
        always = (deleted_vault(self.deleted_vaults), group_elsewhere(self.resources))
        for refuse in (*always, *self.refusals):
            refused = refuse(deployment)
            if refused is not None:
                return refused
        for budget in deployment.of_type("Microsoft.Consumption/budgets"):
            known = self.resources.get(budget["id"], budget)
            if known["properties"]["timePeriod"] != budget["properties"]["timePeriod"]:
                return error(400, "400", "Start date of budgets cannot be updated.")
        return deployment

    def _group(self, call: Call) -> Answer | None:
        if call.path.lower() == f"{_ROOT}/resourcegroups" and call.method == "GET":
            return answer_json(
                {"value": self._tagged(call, self.of_type("Microsoft.Resources/resourceGroups"))}
            )
        if call.path.lower() == f"{_ROOT}/resources" and call.method == "GET":
            return answer_json({"value": []})
        match = _GROUP.match(call.path)
        if match is None:
            return None
        id_ = f"{_ROOT}/resourceGroups/{match[1]}"
        rest = call.path[match.end() :].lower()
        if call.method == "HEAD" and not rest:  # whether there is one
            return Answer(204 if id_ in self.resources else 404)
        if call.method == "PUT" and not rest:
            group = {**call.json(), "id": id_, "name": match[1], "type": "Microsoft.Resources/resourceGroups"}
            self.resources[id_] = group
            return answer_json(_shown(group), 201)
        if id_ not in self.resources:
            return error(404, "ResourceGroupNotFound", f"Resource group '{match[1]}' could not be found.")
        within = [item for key, item in self.resources.items() if key.startswith(id_ + "/providers/")]
        if call.method == "GET" and not rest:
            return answer_json(_shown(self.resources[id_]))
        if call.method == "GET" and rest == "/resources":
            return answer_json({"value": self._tagged(call, [item for item in within if _is_top(item)])})
        if call.method == "DELETE" and not rest:
            self._delete(id_)
            where = f"https://{call.host}{_ROOT}/operationresults/1?api-version=2021-04-01"
            return Answer(202, b"", {"Location": where, "Retry-After": "0"})
        return None

    def _delete(self, id_: str) -> None:
        self.deleted_vaults |= {vault["name"] for vault in self.of_type("Microsoft.KeyVault/vaults")}
        self.resources = {key: item for key, item in self.resources.items() if not key.startswith(id_)}
        self.deleted()

    def _site(self, call: Call) -> Answer | None:
        match = _SITE.fullmatch(call.path)
        if match is None or not match[2]:
            return None
        return self.site_answer(call, match[2])

    def _others(self, call: Call) -> Answer | None:
        path = call.path
        if path.lower().endswith("/operationresults/1"):
            return Answer(200)
        if (
            path.lower().endswith("/providers/microsoft.authorization/roleassignments")
            and call.method == "GET"
        ):
            owner = f"{_ROOT}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"
            given = {"roleDefinitionId": owner, "principalId": PERSON, "scope": _ROOT}
            return answer_json(
                {"value": [{"id": f"{_ROOT}/roleAssignments/1", "name": "1", "properties": given}]}
            )
        if path.lower().endswith("/microsoft.authorization/roledefinitions") and call.method == "GET":
            (name,) = re.findall(r"roleName eq '([^']+)'", call.query["$filter"])
            guid = KNOWN_ROLES.get(name) or uuid.uuid5(uuid.NAMESPACE_DNS, name)
            id_ = f"{_ROOT}/providers/Microsoft.Authorization/roleDefinitions/{guid}"
            role = {"roleName": name, "roleType": "BuiltInRole"}
            return answer_json({"value": [{"id": id_, "name": id_.rpartition("/")[2], "properties": role}]})
        if OWNER in path and call.method == "GET":
            everything = [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}]
            return answer_json(
                {"id": path, "name": OWNER, "properties": {"roleName": "Owner", "permissions": everything}}
            )
        if call.method == "PUT" and _PUT_ALONE.search(path):
            return answer_json(_shown(self.put(path, call.json())), 201)
        provider = _PROVIDER.fullmatch(path)
        if provider:
            return self._provider(call, provider[1], provider[2])
        if call.method == "GET" and path.endswith("/federatedIdentityCredentials"):
            return answer_json({"value": []})
        found = next((item for key, item in self.resources.items() if key.lower() == path.lower()), None)
        if call.method == "GET" and found is not None:
            return answer_json(_shown(found))
        if call.method == "DELETE" and found is not None:
            del self.resources[found["id"]]
            return Answer(200)
        return None

    def _provider(self, call: Call, name: str, below: str | None) -> Answer | None:
        """Whether it is registered, and which types it has where."""
        if (call.method, below, name) == ("GET", "/resourceTypes", "Microsoft.Web"):
            plan = {"resourceType": "serverfarms", "locations": list(REGIONS), "apiVersions": ["2025-03-01"]}
            return answer_json({"value": [plan]})
        if (call.method, below) == ("POST", "/register"):
            self.registered.add(name)
        elif (call.method, below) != ("GET", None):
            return None
        state = "Registered" if name in self.registered else "NotRegistered"
        return answer_json({"id": call.path, "namespace": name, "registrationState": state})

    def put(self, id_: str, sent: dict[str, Any]) -> dict[str, Any]:
        """What is made without a deployment: an identity, its credentials, its roles."""
        provider, *parts = id_.rpartition("/providers/")[2].split("/")
        resource = {**sent, "id": id_, "name": parts[-1], "type": "/".join([provider, *parts[::2]])}
        resource["properties"] = {**properties(resource), "tenantId": TENANT}
        self.resources[id_] = resource
        return resource

    def _tagged(self, call: Call, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that `$filter=tagName eq '…' and tagValue eq '…'` asks for."""
        asked = dict(re.findall(r"(tagName|tagValue) eq '([^']*)'", call.query.get("$filter", "")))
        shown = [_shown(item) for item in resources]
        if not asked:
            return shown
        return [item for item in shown if item["tags"].get(asked["tagName"]) == asked.get("tagValue")]


def _hash(template: object) -> str:
    """What tells azd that a template is the one of last time."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()


def _typed(value: object) -> dict[str, object]:
    return {"type": "Bool" if isinstance(value, bool) else "String", "value": value}


def _is_top(resource: dict[str, Any]) -> bool:
    """Whether it is a resource of its own, as lists of resources show them."""
    return "tags" in resource and resource["type"].count("/") == 1


def _shown(resource: dict[str, Any]) -> dict[str, Any]:
    """azd panics without a kind and a location."""
    shown = {"kind": "", "location": "westeurope", "tags": {}, **resource}
    if resource["type"] == "Microsoft.Web/sites":
        name = resource["name"]
        states = [
            {"name": f"{name}.azurewebsites.net", "hostType": "Standard"},
            {"name": f"{name}.scm.azurewebsites.net", "hostType": "Repository"},
        ]
        shown["properties"] = {
            **resource["properties"],
            "hostNameSslStates": states,
            "hostNames": [states[0]["name"]],
            "state": "Running",
        }
    return shown


def _region(name: str) -> dict[str, Any]:
    return {
        "id": f"{_ROOT}/locations/{name}",
        "name": name,
        "displayName": name,
        "regionalDisplayName": name,
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
    }
