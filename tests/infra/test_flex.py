"""Nothing that Flex Consumption refuses is in a site that the templates evaluate to."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.infra.cli import MAIN, SETS, Bicep, resources
from tests.infra.flex import APP_SETTINGS, SITE_CONFIG, SITE_PROPERTIES, message, refused

CANARY = ("euap", "stage", "stg")
every_set = pytest.mark.parametrize("parameters", SETS, ids=lambda path: path.stem)


def site_of(parameters: Path) -> dict[str, Any]:
    (site,) = resources(parameters, "Microsoft.Web/sites")
    return site


@every_set
def test_site_has_nothing_that_is_refused(parameters: Path) -> None:
    assert refused(site_of(parameters)) == []


@pytest.mark.parametrize("name", SITE_CONFIG)
def test_each_property_would_be_found(name: str) -> None:
    site = deepcopy(site_of(SETS[0]))
    site["properties"]["siteConfig"][name] = True
    (found,) = refused(site)
    assert found.lower() == f"site.siteconfig.{name}".lower()
    assert found in message([found])


@pytest.mark.parametrize("name", SITE_PROPERTIES)
def test_each_property_of_the_site_would_be_found(name: str) -> None:
    site = deepcopy(site_of(SETS[0]))
    site["properties"][name] = None
    assert len(refused(site)) == 1


@pytest.mark.parametrize("name", APP_SETTINGS)
def test_each_setting_would_be_found(name: str) -> None:
    site = deepcopy(site_of(SETS[0]))
    site["properties"]["siteConfig"]["appSettings"].append({"name": name, "value": ""})
    assert refused(site) == [f"Site.SiteConfig.AppSettings.{name}"]


def test_every_refusal_has_its_source() -> None:
    for source in (*SITE_PROPERTIES.values(), *SITE_CONFIG.values(), *APP_SETTINGS.values()):
        assert source.startswith("https://")


@every_set
def test_update_strategy_is_sent_only_when_it_is_another(parameters: Path) -> None:
    """It is a preview, which not every stamp knows."""
    config = site_of(parameters)["properties"]["functionAppConfig"]
    sent = {"everything": {"type": "RollingUpdate"}}
    assert config.get("siteUpdateStrategy") == sent.get(parameters.stem)


def test_no_canary_region(bicep: Bicep) -> None:
    regions = bicep.build(MAIN)["parameters"]["location"]["allowedValues"]
    assert len(regions) > 30
    assert [region for region in regions if region.endswith(CANARY) or "(" in region] == []
