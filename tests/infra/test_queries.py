"""The queries of alerts, workbook and docs, read by Microsoft's own parser, which knows types and columns."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.infra.cli import MAIN
from tests.support.hosts import PROJECT

pytestmark = pytest.mark.slow

# Of the tables that are asked, as the Azure Monitor Logs reference lists them; what hardly any query needs is
# left out. https://learn.microsoft.com/azure/azure-monitor/reference/tables/appmetrics and its neighbours.
_COMMON = (
    "TimeGenerated:datetime, Type:string, _ResourceId:string, OperationId:string, OperationName:string, "
    "ParentId:string, Properties:dynamic, ItemCount:int, AppRoleName:string, AppRoleInstance:string, "
    "AppVersion:string"
)
TABLES = {
    "AppDependencies": f"({_COMMON}, Name:string, Id:string, Target:string, DependencyType:string, "
    "Data:string, Success:bool, ResultCode:string, DurationMs:real)",
    "AppMetrics": f"({_COMMON}, Name:string, Sum:real, Min:real, Max:real)",
    "AppRequests": f"({_COMMON}, Name:string, Id:string, Url:string, Success:bool, ResultCode:string, "
    "DurationMs:real)",
    "AppTraces": f"({_COMMON}, Message:string, SeverityLevel:int)",
    "AzureMetrics": "(TimeGenerated:datetime, _ResourceId:string, Resource:string, MetricName:string, "
    "Total:real, Count:real, Average:real, Minimum:real, Maximum:real, UnitName:string, TimeGrain:string)",
}
_FOLDER = PROJECT / "tests" / "kusto"
_CODE = re.compile(r"```kusto\n(.*?)```", re.DOTALL)


@cache
def queries() -> dict[str, str]:
    """All of them by name."""
    written = json.loads((MAIN.parent / "queries.json").read_text())
    found = {
        f"{kind} {query['name']}": "\n".join(query["query"]) for kind in written for query in written[kind]
    }
    for page in sorted((PROJECT / "docs").glob("*.md")):
        for number, code in enumerate(_CODE.findall(page.read_text()), 1):
            found[f"{page.name} {number}"] = code
    return found


def faults(asked: Mapping[str, str]) -> dict[str, list[str]]:
    """What the parser finds wrong; skips where it cannot run, and fails in CI."""
    node = shutil.which("node")
    if node is None or not (_FOLDER / "node_modules").exists():
        reason = "needs Node.js and Microsoft's parser: npm ci --prefix tests/kusto"
        if os.environ.get("CI"):
            pytest.fail(f"skipped in CI: {reason}")
        pytest.skip(reason)
    done = subprocess.run(
        [node, Path("check.js")],
        cwd=_FOLDER,
        input=json.dumps({"tables": TABLES, "queries": asked}),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    told: dict[str, list[str]] = json.loads(done.stdout)
    return {name: wrong for name, wrong in told.items() if wrong}


def test_every_query_is_right() -> None:
    assert len(queries()) >= 15
    assert faults(queries()) == {}


WRONG = {
    "AppMetrics | where Nmae == 'segment.pictures'": "The name 'Nmae' does not refer to",
    "AppMetric | count": "The name 'AppMetric' does not refer to",
    "AppMetrics | sumarize sum(Sum)": "Query operator expected",
    "AppRequests | where ResultCode >= 500": "The operator '>=' is not defined",
    "AppMetrics | summarize sum(Name)": "must be summable",
}


def test_wrong_queries_are_told() -> None:
    told = faults({query: query for query in WRONG})
    assert {query: part for query, part in WRONG.items() if part not in "".join(told.get(query, []))} == {}
