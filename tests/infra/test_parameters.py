"""The parameter file of azd, tied to the template it fills in and to the pipeline that runs it."""

from typing import Any

import pytest
import yaml

from tests.infra.cli import INFRA, MAIN, Bicep
from tests.infra.parameters import values, variables
from tests.support.hosts import PROJECT

BY_AZD = {"AZURE_PRINCIPAL_TYPE"}
"""What azd itself says of who is signed in, each time anew: nothing that is carried to a pipeline."""


@pytest.fixture(scope="module")
def parameters(bicep: Bicep) -> dict[str, Any]:
    found: dict[str, Any] = bicep.build(MAIN)["parameters"]
    return found


def test_file_names_every_parameter_of_the_template(parameters: dict[str, Any]) -> None:
    """But for the one that is no setting: the first day of the month."""
    assert values().keys() == parameters.keys() - {"currentMonth"}


def test_file_has_variables_and_no_defaults() -> None:
    """A default stands once, in the template; azd leaves out what is not set."""
    assert variables().keys() == values().keys()
    assert len(set(variables().values())) == len(variables())


def test_no_parameter_file_that_azd_would_prefer() -> None:
    """With a .bicepparam beside the template azd knows no parameters, and asks for any region."""
    assert list(INFRA.glob("*.bicepparam")) == []


def test_every_parameter_survives_a_pipeline(parameters: dict[str, Any]) -> None:
    """azd loses arrays and objects on the way to a pipeline, or breaks them."""
    assert {entry["type"] for entry in parameters.values()} == {"string", "int", "bool"}


def test_workflow_hands_on_every_variable() -> None:
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "azure-dev.yml").read_text())
    handed_on = workflow["jobs"]["deploy"]["env"]
    for name in set(variables().values()) - BY_AZD:
        assert handed_on[name] == f"${{{{ vars.{name} }}}}"


def test_location_is_chosen_among_the_regions_of_the_plan(parameters: dict[str, Any]) -> None:
    """azd shows these alone."""
    assert parameters["location"]["metadata"]["azd"]["type"] == "location"
    assert "westeurope" in parameters["location"]["allowedValues"]
