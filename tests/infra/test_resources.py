"""What the evaluated templates hold, in every committed parameter set."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cutout_function.event import BLOB_CREATED, BLOB_RENAMED
from tests.infra.cli import MAIN, SETS, Bicep, resources, snapshot_of

BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
QUEUE_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
QUEUE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"

# Who may do what on what: the last part of the scope's type, the role, the kind of principal.
APP = {
    ("storageAccounts", BLOB_OWNER, "ServicePrincipal"),
    ("components", METRICS_PUBLISHER, "ServicePrincipal"),
    ("vaults", SECRETS_USER, "ServicePrincipal"),
}
CUTOUTS = {
    ("storageAccounts", QUEUE_CONTRIBUTOR, "ServicePrincipal"),
    ("queues", QUEUE_SENDER, "ServicePrincipal"),
    ("containers", BLOB_CONTRIBUTOR, "ServicePrincipal"),
}
OF_A_PERSON = (("storageAccounts", BLOB_CONTRIBUTOR), ("vaults", SECRETS_OFFICER))
QUEUES_OF_A_PERSON = ("storageAccounts", QUEUE_CONTRIBUTOR)


def person(kind: str, *more: tuple[str, str]) -> set[tuple[str, str, str]]:
    """Roles of who deploys, or of one more principal."""
    return {(scope, role, kind) for scope, role in (*OF_A_PERSON, *more)}


ROLES = {
    "default": APP | CUTOUTS | person("User", QUEUES_OF_A_PERSON),
    "everything": APP | CUTOUTS | person("Group", QUEUES_OF_A_PERSON),
    "minimal": APP | person("User"),
    "network": APP | CUTOUTS | person("User", QUEUES_OF_A_PERSON),
    "watched": APP | CUTOUTS | person("User", QUEUES_OF_A_PERSON),
}
METRIC_ALERTS = "Microsoft.Insights/metricAlerts"
# Types that Azure gives no tags: parts of another resource, and assignments.
UNTAGGED = re.compile(
    r"blobServices|queueServices|managementPolicies|diagnosticSettings|roleAssignments|eventSubscriptions"
    r"|basicPublishingCredentialsPolicies|sites/extensions|privateDnsZoneGroups|Microsoft\.Consumption/budgets"
)
every_set = pytest.mark.parametrize("parameters", SETS, ids=lambda path: path.stem)


def only(parameters: Path, kind: str) -> dict[str, Any]:
    (resource,) = resources(parameters, kind)
    return resource


def named(name: str) -> Path:
    return next(path for path in SETS if path.stem == name)


@every_set
def test_evaluates_without_complaint(parameters: Path) -> None:
    assert snapshot_of(parameters)["diagnostics"] == []


@every_set
def test_storage_has_no_key_and_nothing_public(parameters: Path) -> None:
    properties = only(parameters, "Microsoft.Storage/storageAccounts")["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["networkAcls"]["bypass"] == "AzureServices"
    containers = resources(parameters, "Microsoft.Storage/storageAccounts/blobServices/containers")
    assert {item["properties"]["publicAccess"] for item in containers} == {"None"}


@every_set
def test_vault_keeps_what_it_has(parameters: Path) -> None:
    properties = only(parameters, "Microsoft.KeyVault/vaults")["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["enablePurgeProtection"] is True


@every_set
def test_keys_are_new_guids(parameters: Path) -> None:
    secrets = resources(parameters, "Microsoft.KeyVault/vaults/secrets")
    assert [secret["name"].rpartition("/")[2] for secret in secrets] == ["api-key-1", "api-key-2"]
    for secret in secrets:
        assert secret["properties"]["value"].count("newGuid()") == 2


def test_keys_are_written_once(bicep: Bicep) -> None:
    """The decorator does not show in a snapshot."""
    template = bicep.build(MAIN.parent / "modules" / "keyvault.bicep")
    secrets = [item for item in template["resources"].values() if item["type"].endswith("vaults/secrets")]
    assert [secret["@options"] for secret in secrets] == [{"onlyIfNotExists": []}] * 2
    assert all(template["parameters"][name]["type"] == "securestring" for name in ("key1", "key2"))


@every_set
def test_function_app_is_flex_consumption(parameters: Path) -> None:
    plan = only(parameters, "Microsoft.Web/serverfarms")
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"]["reserved"] is True
    site = only(parameters, "Microsoft.Web/sites")
    assert site["kind"] == "functionapp,linux"
    assert site["identity"]["type"] == "UserAssigned"
    assert len(site["identity"]["userAssignedIdentities"]) == 1
    properties, site_config = site["properties"], site["properties"]["siteConfig"]
    assert properties["httpsOnly"] is True
    assert site_config["minTlsVersion"] == "1.2"
    assert site_config["scmMinTlsVersion"] == "1.2"
    assert site_config["http20Enabled"] is True
    assert "identity" in properties["keyVaultReferenceIdentity"]
    storage = properties["functionAppConfig"]["deployment"]["storage"]
    assert storage["type"] == "blobContainer"
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    assert "'app-package'" in storage["value"]


@every_set
def test_nobody_publishes_with_a_password(parameters: Path) -> None:
    policies = resources(parameters, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert [(item["name"].rpartition("/")[2], item["properties"]["allow"]) for item in policies] == [
        ("ftp", False),
        ("scm", False),
    ]


SCALE = {
    # memory, most instances, always ready, calls at a time, update strategy
    "default": (2048, 40, [], 2, "Recreate"),
    "everything": (4096, 100, [{"name": "http", "instanceCount": 2}], 6, "RollingUpdate"),
    "minimal": (2048, 40, [], 2, "Recreate"),
    "network": (2048, 40, [], 2, "Recreate"),
    "watched": (2048, 40, [], 2, "Recreate"),
}


@every_set
def test_scale_is_what_was_asked_for(parameters: Path) -> None:
    config = only(parameters, "Microsoft.Web/sites")["properties"]["functionAppConfig"]
    scale = config["scaleAndConcurrency"]
    shown = (
        scale["instanceMemoryMB"],
        scale["maximumInstanceCount"],
        scale["alwaysReady"],
        scale["triggers"]["http"]["perInstanceConcurrency"],
        config.get("siteUpdateStrategy", {"type": "Recreate"})["type"],
    )
    assert shown == SCALE[parameters.stem]


@every_set
def test_roles_are_those_of_the_table(parameters: Path) -> None:
    granted = set()
    for item in resources(parameters, "Microsoft.Authorization/roleAssignments"):
        scope = re.search(
            r"/(\w+)/[\w-]+(?:', |/providers/)'?Microsoft\.Authorization/roleAssignments", item["id"]
        )
        assert scope, item["id"]
        properties = item["properties"]
        role = properties["roleDefinitionId"].rpartition("/")[2]
        granted.add((scope[1], role, properties["principalType"]))
    assert granted == ROLES[parameters.stem]


@every_set
def test_key_is_readable_by_who_deploys(parameters: Path) -> None:
    """azd reads it for the hook after a deployment, where there is a person who may."""
    secret = snapshot_of(parameters)["outputs"]["API_KEY_SECRET"]
    vault = only(parameters, "Microsoft.KeyVault/vaults")["name"]
    place = f"akvs://00000000-0000-0000-0000-000000000000/{vault}/api-key-1"
    closed = {"everything", "network"}  # the one without a person, and both in a closed network
    assert secret == ("" if parameters.stem in closed else place)


@every_set
def test_a_package_is_fetched_where_one_is_named_and_nothing_is_built(parameters: Path) -> None:
    fetched = [one["properties"] for one in resources(parameters, "Microsoft.Web/sites/extensions")]
    package = {"packageUri": "https://example.com/segment-function-1.0.0.zip", "remoteBuild": False}
    assert fetched == ([package] if parameters.stem == "everything" else [])


@every_set
def test_every_resource_is_tagged(parameters: Path) -> None:
    for item in snapshot_of(parameters)["predictedResources"]:
        if not UNTAGGED.search(item["type"]):
            assert item["tags"]["azd-env-name"] == parameters.stem, item["type"]


@every_set
def test_outputs_hold_no_secret(parameters: Path) -> None:
    outputs = snapshot_of(parameters)["outputs"]
    assert outputs.keys() >= {"SERVICE_API_ENDPOINT", "AZURE_FUNCTION_NAME", "AZURE_KEY_VAULT_NAME"}
    for name, value in outputs.items():
        assert not re.search(r"key1|key2|newGuid|listKeys|onnectionString|SharedKey", value), name


@every_set
def test_nothing_asks_for_a_key(parameters: Path) -> None:
    text = json.dumps(snapshot_of(parameters))
    assert "listKeys" not in text
    assert "AccountKey" not in text


@every_set
def test_diagnostics_are_kept(parameters: Path) -> None:
    settings = resources(parameters, "Microsoft.Insights/diagnosticSettings")
    kept = {item["id"].partition("/providers/Microsoft.Insights/")[0].split("/")[-2] for item in settings}
    wanted = {"sites", "vaults", "blobServices", "queueServices"}
    wanted |= set() if parameters.stem == "minimal" else {"systemTopics"}
    wanted |= {"networkSecurityGroups"} if parameters.stem in {"everything", "network"} else set()
    assert kept == wanted


@every_set
def test_telemetry_needs_an_identity(parameters: Path) -> None:
    assert only(parameters, "Microsoft.Insights/components")["properties"]["DisableLocalAuth"] is True
    workspace = only(parameters, "Microsoft.OperationalInsights/workspaces")["properties"]
    assert workspace["features"]["disableLocalAuth"] is True
    assert workspace["workspaceCapping"]["dailyQuotaGb"] in {1, 5}


@pytest.mark.parametrize("name", ["default", "everything", "network"])
def test_events_go_to_the_queue(name: str) -> None:
    parameters = named(name)
    account = only(parameters, "Microsoft.Storage/storageAccounts")["id"]
    properties = only(parameters, "Microsoft.EventGrid/systemTopics/eventSubscriptions")["properties"]
    event_filter = properties["filter"]
    assert event_filter["subjectBeginsWith"] == "/blobServices/default/containers/uploads/"
    assert event_filter["includedEventTypes"] == [BLOB_CREATED, BLOB_RENAMED]
    delivery = properties["deliveryWithResourceIdentity"]
    topic = only(parameters, "Microsoft.EventGrid/systemTopics")
    (identity,) = topic["identity"]["userAssignedIdentities"]
    assert topic["identity"]["type"] == "UserAssigned"
    for sender in (delivery, properties["deadLetterWithResourceIdentity"]):
        assert sender["identity"]["type"] == "UserAssigned"
        assert "topicIdentity" in identity
        assert "topicIdentity" in sender["identity"]["userAssignedIdentity"]
    assert delivery["destination"]["endpointType"] == "StorageQueue"
    assert delivery["destination"]["properties"]["resourceId"] == account
    dead_letters = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
    assert dead_letters == {"resourceId": account, "blobContainerName": "dead-letters"}
    assert properties["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}


def test_roles_come_before_what_needs_them(bicep: Bicep) -> None:
    """Event Grid looks for its rights when the subscription is made, the app when it starts."""
    template = bicep.build(MAIN)["resources"]
    for needs in ("events", "api"):
        assert "roles" in template[needs]["dependsOn"]


@every_set
def test_assignments_are_named_by_who_gets_them(parameters: Path) -> None:
    """One that was given cannot be given to another, such as an identity that was made anew."""
    for item in resources(parameters, "Microsoft.Authorization/roleAssignments"):
        principal = item["properties"]["principalId"].removeprefix("[").removesuffix("]")
        known = re.fullmatch(r"[0-9a-f-]{36}", principal)  # then the name is evaluated, too
        assert known or principal in item["name"], item["name"]


def test_budget_tells_its_start() -> None:
    assert snapshot_of(named("watched"))["outputs"]["BUDGET_START"] == "2026-01-01"
    assert snapshot_of(named("default"))["outputs"]["BUDGET_START"] == ""


def test_api_alone_has_no_queue_and_no_topic() -> None:
    kinds = {item["type"] for item in snapshot_of(named("minimal"))["predictedResources"]}
    assert "Microsoft.EventGrid/systemTopics" not in kinds
    assert "Microsoft.Storage/storageAccounts/queueServices/queues" not in kinds
    settings = only(named("minimal"), "Microsoft.Web/sites")["properties"]["siteConfig"]["appSettings"]
    assert not [item["name"] for item in settings if item["name"].startswith("CUTOUT_")]


def test_uploads_are_deleted_only_when_asked() -> None:
    kind = "Microsoft.Storage/storageAccounts/managementPolicies"
    assert resources(named("default"), kind) == []
    (rule,) = only(named("everything"), kind)["properties"]["policy"]["rules"]
    assert rule["definition"]["filters"]["prefixMatch"] == ["uploads/"]
    assert rule["definition"]["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 30}


@pytest.mark.parametrize("name", ["everything", "network"])
def test_network_is_closed_but_for_image_urls(name: str) -> None:
    parameters = named(name)
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"):
        properties = only(parameters, kind)["properties"]
        rules = properties["networkAcls"]["ipRules"]
        assert properties["publicNetworkAccess"] == ("Enabled" if rules else "Disabled")
        assert properties["networkAcls"]["defaultAction"] == "Deny"
        allowed = {"everything": ["203.0.113.7", "198.51.100.0/24"], "network": []}
        assert [rule["value"].removesuffix("/32") for rule in rules] == allowed[name]
    endpoints = resources(parameters, "Microsoft.Network/privateEndpoints")
    groups = [item["properties"]["privateLinkServiceConnections"][0]["name"] for item in endpoints]
    assert groups == ["blob", "queue", "vault"]
    assert len(resources(parameters, "Microsoft.Network/privateDnsZones")) == 3
    subnets = only(parameters, "Microsoft.Network/virtualNetworks")["properties"]["subnets"]
    assert [subnet["properties"]["defaultOutboundAccess"] for subnet in subnets] == [True, False]
    delegation = subnets[0]["properties"]["delegations"][0]["properties"]["serviceName"]
    assert delegation == "Microsoft.App/environments"
    assert "appSubnetId" in only(parameters, "Microsoft.Web/sites")["properties"]["virtualNetworkSubnetId"]


WAY_OUT = [
    ("Allow", "app"),
    ("Allow", "endpoints"),
    ("Allow", "AzureActiveDirectory"),
    ("Allow", "AzureMonitor"),
    ("Deny", "AzurePlatformIMDS"),
    ("Deny", ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"]),
    ("Deny", "VirtualNetwork"),
    ("Allow", "Internet"),
    ("Deny", "*"),
]


@pytest.mark.parametrize(
    ("name", "app", "endpoints"),
    [("everything", "10.60.0.0/24", "10.60.1.0/24"), ("network", "10.99.0.0/26", "10.99.1.0/28")],
)
def test_way_out_is_the_second_wall(name: str, app: str, endpoints: str) -> None:
    group = resources(named(name), "Microsoft.Network/networkSecurityGroups")[0]
    rules = [rule["properties"] for rule in group["properties"]["securityRules"]]
    assert {rule["direction"] for rule in rules} == {"Outbound"}
    priorities = [rule["priority"] for rule in rules]
    assert priorities == sorted(set(priorities))
    shown = [
        (rule["access"], rule.get("destinationAddressPrefix") or rule["destinationAddressPrefixes"])
        for rule in rules
    ]
    prefixes = {"app": app, "endpoints": endpoints}
    assert shown == [(access, prefixes.get(str(to), to)) for access, to in WAY_OUT]
    assert rules[0]["sourceAddressPrefix"] == app
    assert rules[7]["destinationPortRanges"] == ["80", "443"]


@pytest.mark.parametrize("name", ["everything", "network"])
def test_endpoints_are_open_to_the_network(name: str) -> None:
    """Somebody inside reads keys and uses containers there; nobody comes from outside."""
    group = resources(named(name), "Microsoft.Network/networkSecurityGroups")[1]
    rules = [rule["properties"] for rule in group["properties"]["securityRules"]]
    shown = [(rule["access"], rule["sourceAddressPrefix"], rule["destinationPortRange"]) for rule in rules]
    assert shown == [("Allow", "VirtualNetwork", "443"), ("Deny", "*", "*")]


def test_zones_are_used_when_asked_for() -> None:
    for name, zones in (("default", False), ("everything", True)):
        assert only(named(name), "Microsoft.Web/serverfarms")["properties"]["zoneRedundant"] is zones
    assert only(named("everything"), "Microsoft.Storage/storageAccounts")["sku"] == {"name": "Standard_ZRS"}


def test_alerts_and_budget_only_when_asked() -> None:
    kinds = {item["type"] for item in snapshot_of(named("default"))["predictedResources"]}
    assert not kinds & {
        "Microsoft.Insights/actionGroups",
        "Microsoft.Consumption/budgets",
        "Microsoft.Insights/webtests",
    }
    rules = resources(named("watched"), "Microsoft.Insights/scheduledQueryRules")
    assert [rule["name"] for rule in rules] == [
        "poison-queue-not-empty",
        "server-errors",
        "too-many-requests",
        "failed-executions",
    ]
    for rule in rules:  # a young workspace lacks the tables
        assert rule["properties"]["skipQueryValidation"] is True
        (criterion,) = rule["properties"]["criteria"]["allOf"]
        assert re.match(r"union isfuzzy=true App\w+, \(datatable\(", criterion["query"])
    metrics = {
        name: {item["name"]: item["properties"]["criteria"] for item in resources(named(name), METRIC_ALERTS)}
        for name in ("watched", "everything")
    }
    assert list(metrics["watched"]) == ["gb-seconds", "dead-letters"]
    assert metrics["watched"]["dead-letters"]["allOf"][0]["metricName"] == "DeadLetteredCount"
    assert metrics["everything"]["not-available"]["failedLocationCount"] == 2
    units = metrics["watched"]["gb-seconds"]["allOf"][0]
    assert units["threshold"] == 10_000 * 1024 * 1000
    assert only(named("watched"), "Microsoft.Consumption/budgets")["properties"]["amount"] == 20
    test = only(named("everything"), "Microsoft.Insights/webtests")["properties"]
    assert "/ready" in test["Request"]["RequestUrl"]


@every_set
def test_workbook_shows_every_query(parameters: Path) -> None:
    workbook = json.loads(only(parameters, "Microsoft.Insights/workbooks")["properties"]["serializedData"])
    queries = json.loads((MAIN.parent / "queries.json").read_text())["workbook"]
    shown = {item["name"]: item["content"]["query"] for item in workbook["items"] if item["type"] == 3}
    assert shown == {query["name"]: "\n".join(query["query"]) for query in queries}
    panels = {"requests", "latency", "pictures", "callers", "refusals", "queue-age", "instances", "cost"}
    assert shown.keys() == panels
