"""The names of spans and metrics against what tells of them: the docs, the workbook and the alerts."""

import re

import pytest

from shared_code.progress import StageName
from shared_code.record import Ending
from telemetry import names
from telemetry.names import Metric
from tests.support.hosts import PROJECT

OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
ATTRIBUTES = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}


@pytest.mark.parametrize("metric", names.METRICS, ids=lambda metric: metric.name)
def test_metric_is_documented(metric: Metric) -> None:
    attributes = ", ".join(f"`{name}`" for name in metric.attributes)
    assert f"| `{metric.name}` | {metric.kind} | `{metric.unit}` | {attributes}" in OPERATIONS


def test_stages_and_endings_are_documented() -> None:
    assert {*StageName, *Ending} <= set(re.findall(r"`(\w+)`", OPERATIONS))


def test_no_other_name_is_documented() -> None:
    known = {metric.name for metric in names.METRICS} | ATTRIBUTES
    assert set(re.findall(r"`(segment\.[a-z_.]+)`", OPERATIONS)) <= known
