"""docs/deploy.md against the templates and the measurements it speaks of."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import cost
from shared_code.matte.built import BuiltNetwork, Catalogue, Cost
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
    """`make bench` writes all of it; `python -m bench.cost` the tables alone."""
    performance = (PROJECT / "docs" / "performance.md").read_text()
    for table in (cost.table(performance), cost.bytes_table(performance), cost.telemetry_table()):
        assert len(table.rows) >= 3
        assert table.markdown().replace("## ", "### ", 1) in PAGE


@pytest.mark.parametrize(
    ("seconds", "gigabytes", "dollars"),
    [(0.2, 2, 0.0524), (1.0, 2, 0.0524), (1.01, 2, 0.0576), (1.5, 4, 0.1564), (5.0, 4, 0.5204)],
)
def test_cost_of_a_thousand(seconds: float, gigabytes: int, dollars: float) -> None:
    assert cost.dollars(seconds, gigabytes) == pytest.approx(dollars)


def test_cost_of_networks() -> None:
    costs = {"small": Cost(150, 200, 0.5), "slow": Cost(900, 1500, 4.0), "large": Cost(1500, 2000, 4.0)}
    costs["huge"] = Cost(4000, 6000, 20)
    built = {name: BuiltNetwork(name, "", "", 320, None, None, each) for name, each in costs.items()}
    performance = (
        "## Stage by stage\n\n| megapixels | network | sum |\n| --- | --- | --- |\n| 2 | 90 (64 %) | 140 |\n"
    )
    table = cost.networks_table(f"\n{performance}", Catalogue(Path(), "small", built))
    assert [tuple(row[-2:]) for row in table.rows] == [
        ("2048 MB", f"${cost.dollars(0.55, 2):.3f}"),
        ("2048 MB", f"${cost.dollars(4.05, 2):.3f}"),
        ("4096 MB", f"${cost.dollars(2.05, 4):.3f}"),
        ("needs 5074 MB", "in a container"),
    ]


def test_no_page_has_a_dead_button() -> None:
    """The address of a public copy is not known here; a release's notes have the link."""
    for page in (PAGE, (PROJECT / "README.md").read_text()):
        assert not re.search(r"OWNER|REPOSITORY", page)
    assert "docs/deploy.md#deploy-from-the-portal" in (PROJECT / "README.md").read_text()


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
