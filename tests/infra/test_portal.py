"""The portal's three steps, tied to the template they fill in."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.cli import INFRA

DEFINITION = json.loads((INFRA / "createUiDefinition.json").read_text())
GIVEN = DEFINITION["parameters"]
STEPS = GIVEN["steps"]
PARAMETERS: dict[str, Any] = json.loads((INFRA / "azuredeploy.json").read_text())["parameters"]
OUTPUTS: dict[str, str] = GIVEN["outputs"]
ELEMENTS = {element["name"]: element for step in STEPS for element in step["elements"]}
KINDS = {
    # What each hands on, and the function of the portal that makes it what the parameter is.
    "Microsoft.Common.CheckBox": ("bool",),
    "Microsoft.Common.DropDown": ("string", "int"),
    "Microsoft.Common.Slider": ("int",),
    "Microsoft.Common.TextBox": ("string", "int"),
}


def references(value: object) -> Iterator[tuple[str, str]]:
    """Each `steps('step').element` in it."""
    yield from re.findall(r"steps\('(\w+)'\)\.(\w+)", json.dumps(value))


def test_it_is_what_the_portal_takes() -> None:
    assert DEFINITION["$schema"].endswith("/0.1.2-preview/CreateUIDefinition.MultiVm.json#")
    assert (DEFINITION["handler"], DEFINITION["version"]) == ("Microsoft.Azure.CreateUIDef", "0.1.2-preview")
    assert len(STEPS) == 3
    for step in STEPS:
        assert step.keys() == {"name", "label", "elements"}


def test_every_output_is_a_parameter_and_every_element_an_output() -> None:
    assert OUTPUTS.keys() <= PARAMETERS.keys()
    assert OUTPUTS.keys() == ELEMENTS.keys() | {"location"}
    without_default = {name for name, entry in PARAMETERS.items() if "defaultValue" not in entry}
    assert without_default <= OUTPUTS.keys()


def test_references_are_to_elements_of_their_steps() -> None:
    there = {(step["name"], element["name"]) for step in STEPS for element in step["elements"]}
    assert set(references(GIVEN)) <= there
    for name, output in OUTPUTS.items():
        if name != "location":
            assert [element for _, element in references(output)] == [name]


def test_regions_are_the_templates() -> None:
    assert OUTPUTS["location"] == "[location()]"
    regions = GIVEN["config"]["basics"]["location"]["allowedValues"]
    assert regions == PARAMETERS["location"]["allowedValues"]


@pytest.mark.parametrize("name", ELEMENTS)
def test_element_asks_for_what_the_parameter_takes(name: str) -> None:
    element, parameter = ELEMENTS[name], PARAMETERS[name]
    kind = parameter["type"].lower()
    assert kind in KINDS[element["type"]]
    assert OUTPUTS[name].startswith("[int(") == (kind == "int")
    choices = element.get("constraints", {}).get("allowedValues", [])
    assert [choice["value"] for choice in choices] == [str(one) for one in parameter.get("allowedValues", [])]
    if "min" in element:
        assert parameter["minValue"] <= element["min"] <= element["max"] <= parameter["maxValue"]


@pytest.mark.parametrize("name", ELEMENTS)
def test_element_begins_at_the_parameters_default(name: str) -> None:
    element = ELEMENTS[name]
    default = PARAMETERS[name].get("defaultValue", "")
    shown = element["defaultValue"]
    if element["type"] == "Microsoft.Common.DropDown":
        (shown,) = [one["value"] for one in element["constraints"]["allowedValues"] if one["label"] == shown]
    assert str(shown) == str(default)
    pattern = element.get("constraints", {}).get("regex")
    if pattern and "defaultValue" in PARAMETERS[name]:
        assert re.fullmatch(pattern, str(default))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("packageUri", ["", "https://example.com/a.zip"], ["http://example.com/a.zip", "a.zip"]),
        ("environmentName", ["segment", "A-1"], ["", "a b", "a" * 65]),
        ("allowedAddresses", ["", "203.0.113.7,198.51.100.0/24"], ["office"]),
        ("monthlyBudget", ["0", "25"], ["", "2.5", "-1"]),
        ("logDailyCapGb", ["-1", "0", "1000"], ["-2", "1001", ""]),
        ("alertEmail", ["", "a@example.com"], ["example.com", "a b@example.com"]),
    ],
)
def test_text_is_checked_in_the_step(name: str, good: list[str], bad: list[str]) -> None:
    pattern = ELEMENTS[name]["constraints"]["regex"]
    for text in good:
        assert re.fullmatch(pattern, text), text
    for text in bad:
        assert not re.fullmatch(pattern, text), text
