"""The settings the template makes, tied to the code that reads them."""

import json
from pathlib import Path

import pytest
import yaml

from shared_code.matte.capacity import SLOT_WAIT_S
from shared_code.settings import MAX_DEADLINE_S, ApiKey, load_settings
from telemetry.exporters import WORKERS_LOGGER
from tests.infra.cli import SETS, resources
from tests.support.hosts import PROJECT
from tests.support.variables import documented_variables

DEFAULTS = load_settings({})
FRONT_END_S = 230
"""Azure's load balancer ends an answer that has not begun after this."""

# Read by the Functions host, its worker, ONNX Runtime and the Azure Monitor distribution.
PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_TRACING_DISABLED",
    "AzureWebJobsDisableHomepage",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__queueServiceUri",
    "DOTNET_SYSTEM_NET_HTTP_ENABLEACTIVITYPROPAGATION",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "ORT_DISABLE_TELEMETRY",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME",
}
# What the template leaves at the code's default; the parameter appSettings sets any of them.
LEFT_ALONE = {
    "CUTOUT_STORAGE": "a connection string has a key; the identity takes its place",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "telemetry goes to Application Insights",
    "SEGMENT_ALLOW_ANONYMOUS": "in the cloud every call needs a key",
    "SEGMENT_HOST": "the platform chooses where it listens",
    "SEGMENT_ENTRA_APP_IDS": "sign-in is a choice: the parameter entraAppIds",
    "SEGMENT_ENTRA_CALLERS": "sign-in is a choice: the parameter entraCallers",
    "SEGMENT_ENTRA_TENANT": "comes with the callers",
    "SEGMENT_GATEWAY": "a gateway is a choice: infra/gateway/",
    "SEGMENT_API_KEYS": "the vault's two keys have settings of their own",
}
every_set = pytest.mark.parametrize("parameters", SETS, ids=lambda path: path.stem)


def app_settings(parameters: Path) -> dict[str, str]:
    (site,) = resources(parameters, "Microsoft.Web/sites")
    return {item["name"]: item["value"] for item in site["properties"]["siteConfig"]["appSettings"]}


@every_set
def test_every_setting_is_read(parameters: Path) -> None:
    assert app_settings(parameters).keys() <= PLATFORM | documented_variables().keys()


def test_every_setting_without_a_useful_default_is_made() -> None:
    """Those with no default either come from the template or mean something when they are missing."""
    made = app_settings(next(path for path in SETS if path.stem == "default"))
    without = {name for name, default in documented_variables().items() if not default}
    optional = {"SEGMENT_MODEL", "SEGMENT_SLOT_WAIT_S", "SEGMENT_URL_ALLOWED_NETWORKS"}
    assert without - optional == (made.keys() & without) | (LEFT_ALONE.keys() & without)
    assert not made.keys() & LEFT_ALONE.keys()


@every_set
def test_worker_exports_the_apps_logger(parameters: Path) -> None:
    assert app_settings(parameters)["PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME"] == WORKERS_LOGGER


def test_host_tells_nothing_of_its_looks_into_the_queue() -> None:
    """Two records every two seconds, of a request and its answer, are a tenth of a gigabyte a day."""
    told = json.loads((PROJECT / "host.json").read_text())["logging"]
    assert told["logLevel"] == {"default": "Information", "Azure.Core": "Warning"}
    # tests/telemetry/test_idle.py shows that an OTLP receiver would get them without this.
    storage = {"Microsoft.Azure.WebJobs.Extensions.Storage": "Warning"}
    assert told["OpenTelemetry"]["logLevel"] == told["logLevel"] | storage


@every_set
def test_settings_are_taken_by_the_code(parameters: Path) -> None:
    """References are resolved by the platform; everything else is parsed as it stands."""
    settings = app_settings(parameters)
    for name in ("SEGMENT_API_KEY_1", "SEGMENT_API_KEY_2"):
        assert "@Microsoft.KeyVault(SecretUri=" in settings[name]
        settings[name] = name
    loaded = load_settings(settings)
    assert loaded.api_keys == (ApiKey("key-1", "SEGMENT_API_KEY_1"), ApiKey("key-2", "SEGMENT_API_KEY_2"))
    assert loaded.allow_anonymous is False
    assert loaded.url_allowed_ports == DEFAULTS.url_allowed_ports
    assert (loaded.cutout.storage is None) == (parameters.stem == "minimal")
    assert loaded.cutout.queue == DEFAULTS.cutout.queue
    assert loaded.cutout.input_container == DEFAULTS.cutout.input_container
    assert loaded.cutout.output_container == DEFAULTS.cutout.output_container


@pytest.mark.parametrize("name", ["default", "everything", "network"])
def test_containers_and_queues_have_the_codes_names(name: str) -> None:
    parameters = next(path for path in SETS if path.stem == name)
    base = "Microsoft.Storage/storageAccounts"
    containers = resources(parameters, f"{base}/blobServices/containers")
    queues = resources(parameters, f"{base}/queueServices/queues")
    cutout = DEFAULTS.cutout
    names = {item["name"].rpartition("/")[2] for item in containers}
    assert names == {"app-package", "dead-letters", cutout.input_container, cutout.output_container}
    assert {item["name"].rpartition("/")[2] for item in queues} == {cutout.queue, f"{cutout.queue}-poison"}


@every_set
def test_memory_budget_follows_the_instance(parameters: Path) -> None:
    """What is not for pictures is the same on every size, so each further MB is."""
    (site,) = resources(parameters, "Microsoft.Web/sites")
    memory = site["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"]
    settings = load_settings({"SEGMENT_INSTANCE_MB": app_settings(parameters)["SEGMENT_INSTANCE_MB"]})
    assert settings.instance_mb == memory
    assert memory - settings.memory_budget_mb == 2048 - DEFAULTS.memory_budget_mb


@every_set
def test_instance_takes_the_calls_it_is_given(parameters: Path) -> None:
    """Eight calls wait for each slot beside the one that has it, so that none is refused."""
    (site,) = resources(parameters, "Microsoft.Web/sites")
    scale = site["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    slots = scale["instanceMemoryMB"] // 2048
    assert slots < scale["triggers"]["http"]["perInstanceConcurrency"] <= slots * 9


@every_set
def test_runtime_is_the_projects_python(parameters: Path) -> None:
    (site,) = resources(parameters, "Microsoft.Web/sites")
    version = (PROJECT / ".python-version").read_text().strip()
    runtime = site["properties"]["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": version}


@every_set
def test_service_tag_is_a_service_of_azure_yaml(parameters: Path) -> None:
    (site,) = resources(parameters, "Microsoft.Web/sites")
    services = yaml.safe_load((PROJECT / "azure.yaml").read_text())["services"]
    assert site["tags"]["azd-service-name"] in services


def test_host_gives_up_after_the_front_end() -> None:
    """A call is ended by the app, else cut by the front end, and never by a restart of the worker.

    The app's deadline lies before both; docs/hosting.md says why the host waits an hour for slow readers.
    """
    host = json.loads((PROJECT / "host.json").read_text())
    hours, minutes, seconds = (int(part) for part in host["functionTimeout"].split(":"))
    assert 2 * FRONT_END_S < hours * 3600 + minutes * 60 + seconds <= 3600
    assert MAX_DEADLINE_S < FRONT_END_S
    assert 2 * SLOT_WAIT_S < FRONT_END_S
