"""docs/deploy.md against the templates and the measurements it speaks of."""

import json
import re
from typing import Any

import pytest

from bench import cost
from tests.infra.cli import INFRA, MAIN, Bicep
from tests.infra.parameters import variables
from tests.support.hosts import PROJECT
from tests.test_docs import rows

PAGE = (PROJECT / "docs" / "deploy.md").read_text()
VARIABLES = variables()


@pytest.fixture(scope="module")
def parameters(bicep: Bicep) -> dict[str, Any]:
    found: dict[str, Any] = bicep.build(MAIN)["parameters"]
    return found


def shown(default: object) -> str:
    """A default as the table has it."""
    if default is None or default == "":
        return "none"
    if isinstance(default, str) and default.startswith("[utcNow"):
        return "this month"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def test_parameters_are_those_of_the_template(parameters: dict[str, Any]) -> None:
    table = {name: cells for name, cells in rows("docs/deploy.md").items() if name in parameters}
    assert list(table) == list(parameters)
    for name, (variable, default, meaning) in table.items():
        assert variable.strip("`") == VARIABLES.get(name, ""), name
        assert default == shown(parameters[name].get("defaultValue")), name
        assert meaning, name
        for value in parameters[name].get("allowedValues", []) if name != "location" else []:
            assert str(value) in default + meaning, name


def test_cost_is_computed_from_what_was_measured() -> None:
    """`make bench` writes both; `python -m bench.cost` the table alone."""
    table = cost.table((PROJECT / "docs" / "performance.md").read_text())
    assert len(table.rows) >= 4
    assert table.markdown().replace("## ", "### ", 1) in PAGE


@pytest.mark.parametrize(
    ("seconds", "gigabytes", "dollars"),
    [(0.2, 2, 0.0524), (1.0, 2, 0.0524), (1.01, 2, 0.0576), (1.5, 4, 0.1564), (5.0, 4, 0.5204)],
)
def test_cost_of_a_thousand(seconds: float, gigabytes: int, dollars: float) -> None:
    assert cost.dollars(seconds, gigabytes) == pytest.approx(dollars)


def test_readme_and_page_have_the_same_button() -> None:
    button = re.search(r"\[!\[Deploy to Azure\]\(\S+\)\]\(\S+azuredeploy\.json\)", PAGE)
    assert button
    assert button[0] in (PROJECT / "README.md").read_text()


def test_deploy_button_template_is_the_bicep(bicep: Bicep) -> None:
    """`make azuredeploy` builds it again; the CLI's version and hash are no part of the comparison."""

    def without_generator(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {key: without_generator(item) for key, item in value.items() if key != "_generator"}
        if isinstance(value, list):
            return [without_generator(item) for item in value]
        return value

    committed = json.loads((INFRA / "azuredeploy.json").read_text())
    assert without_generator(committed) == without_generator(bicep.build(MAIN))


def test_every_platform_figure_of_the_scaling_page_has_a_source() -> None:
    text = (PROJECT / "docs" / "scaling.md").read_text()
    body, _, sources = text.partition("\n## Sources\n")
    listed = set(re.findall(r"^(\d+)\. ", sources, re.M))
    assert set(re.findall(r"\\\[(\d+)\\\]", body)) == listed
    assert sources.count("https://") >= len(listed)
