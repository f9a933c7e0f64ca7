"""What Azure refuses of a site on Flex Consumption, with error 51021, and where that was read."""

from collections.abc import Mapping, Sequence
from typing import Any

CODE = "51021"

_AVM = "https://github.com/Azure/terraform-azurerm-avm-res-web-site"
_TASKS = "https://github.com/microsoft/azure-pipelines-tasks/issues/21032"
_PAGE = "https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations"

SITE_PROPERTIES = {
    "containerSize": f"{_PAGE}: renamed to instanceMemoryMB",
    "isReserved": f"{_PAGE}: not valid",
    "isXenon": f"{_PAGE}: not valid",
}
SITE_CONFIG = {
    "alwaysOn": f"{_AVM}/pull/345, when true; {_PAGE}",
    "containerSize": f"{_PAGE}: renamed to instanceMemoryMB",
    "ftpsState": f"{_TASKS}: named in the error",
    "functionAppScaleLimit": "https://github.com/Azure/azure-functions-host/issues/10643: named in the error",
    "functionsRuntimeScaleMonitoringEnabled": f"{_AVM}/issues/360: named in the error",
    "isReserved": f"{_PAGE}: not valid",
    "isXenon": f"{_PAGE}: not valid",
    "javaContainer": f"{_AVM}/pull/345",
    "javaContainerVersion": f"{_AVM}/pull/345",
    "javaVersion": f"{_PAGE}: functionAppConfig.runtime takes its place",
    "linuxFxVersion": f"{_AVM}/issues/283: named in the error",
    "minimumElasticInstanceCount": f"{_AVM}/issues/353: for Elastic Premium only, not seen in an error",
    "netFrameworkVersion": f"{_TASKS}: named in the error",
    "nodeVersion": f"{_AVM}/pull/345",
    "phpVersion": f"{_AVM}/pull/345",
    "powerShellVersion": f"{_PAGE}: functionAppConfig.runtime takes its place",
    "preWarmedInstanceCount": f"{_AVM}/issues/360: named in the error",
    "pythonVersion": f"{_AVM}/pull/345",
    "use32BitWorkerProcess": f"{_TASKS}: named in the error",
    "windowsFxVersion": f"{_AVM}/pull/345; {_PAGE}",
}
_MANAGED = f"{_PAGE}: refused or without effect"
APP_SETTINGS = {
    "ENABLE_ORYX_BUILD": _MANAGED,
    "FUNCTIONS_EXTENSION_VERSION": _MANAGED,
    "FUNCTIONS_MAX_HTTP_CONCURRENCY": _MANAGED,
    "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED": _MANAGED,
    "FUNCTIONS_WORKER_PROCESS_COUNT": _MANAGED,
    "FUNCTIONS_WORKER_RUNTIME": _MANAGED,
    "FUNCTIONS_WORKER_RUNTIME_VERSION": _MANAGED,
    "SCM_DO_BUILD_DURING_DEPLOYMENT": _MANAGED,
    "TZ": _MANAGED,
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING": _MANAGED,
    "WEBSITE_CONTENTOVERVNET": _MANAGED,
    "WEBSITE_CONTENTSHARE": _MANAGED,
    "WEBSITE_DNS_SERVER": _MANAGED,
    "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT": _MANAGED,
    "WEBSITE_NODE_DEFAULT_VERSION": _MANAGED,
    "WEBSITE_RUN_FROM_PACKAGE": _MANAGED,
    "WEBSITE_SKIP_CONTENTSHARE_VALIDATION": _MANAGED,
    "WEBSITE_TIME_ZONE": _MANAGED,
    "WEBSITE_VNET_ROUTE_ALL": _MANAGED,
}


def refused(site: Mapping[str, Any]) -> Sequence[str]:
    """The properties of an evaluated site that Azure refuses, as its error spells them.

    A property set to null counts as one that is set; alwaysOn is refused when it is true.
    """
    properties = site["properties"]
    config = properties.get("siteConfig", {})
    found = [f"Site.{_capital(name)}" for name in properties if _lower(name) in _lowered(SITE_PROPERTIES)]
    found += [
        f"Site.SiteConfig.{_capital(name)}"
        for name, value in config.items()
        if _lower(name) in _lowered(SITE_CONFIG) and (_lower(name) != "alwayson" or value is not False)
    ]
    settings = [item["name"] for item in config.get("appSettings", [])]
    found += [f"Site.SiteConfig.AppSettings.{name}" for name in settings if name.upper() in APP_SETTINGS]
    return found


def message(names: Sequence[str]) -> str:
    """What Azure says of them."""
    if len(names) == 1:
        what = f"The following site configuration property ({names[0]})"
    else:
        what = f"The following list of {len(names)} site configuration properties ({', '.join(names)})"
    return f"{what} for Flex Consumption sites is invalid.  Please remove or rename it before retrying."


def _lowered(names: Mapping[str, str]) -> set[str]:
    return {_lower(name) for name in names}


def _lower(name: str) -> str:
    return name.lower()


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
