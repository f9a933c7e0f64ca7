"""The queries of workbook and alerts against the names that telemetry uses, and the page on them."""

import json
import re

import pytest

from telemetry import names
from tests.support.hosts import PROJECT

OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
QUERIES = json.loads((PROJECT / "infra" / "queries.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("alert", QUERIES["alerts"], ids=lambda alert: alert["name"])
def test_every_alert_has_an_answer(alert: dict[str, str]) -> None:
    assert f"| `{alert['name']}` |" in OPERATIONS


ASKED = [(row["name"], "\n".join(row["query"])) for kind in ("alerts", "workbook") for row in QUERIES[kind]]


@pytest.mark.usefixtures("name")
@pytest.mark.parametrize(("name", "query"), ASKED, ids=[name for name, _ in ASKED])
def test_queries_ask_for_metrics_and_attributes_that_exist(query: str) -> None:
    metrics = {metric.name: metric for metric in names.METRICS}
    asked = re.findall(r"Name == '(segment\.[^']+)'", query)
    assert set(asked) <= metrics.keys()
    known = {attribute for one in asked for attribute in metrics[one].attributes}
    assert set(re.findall(r"Properties\['([^']+)'\]", query)) <= known
