"""Checkov's opinion of the templates, with a reason for each thing it would have otherwise."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from tests.infra.cli import INFRA
from tests.support.hosts import PROJECT

pytestmark = pytest.mark.slow

CHECKOV = PROJECT / "tests" / "checkov" / ".venv" / "bin" / "checkov"
LEAST_CHECKS = 20
# What its parser does not know, and what is put in its place in the copy it looks at.
UNKNOWN_TO_ITS_PARSER = (
    (r"@onlyIfNotExists\(\)\n", ""),
    (r"fail\(", "string("),
    (r"deployer\(\)\.objectId", "'somebody'"),
    (r"^var (\w+) = filter\(.*\)$", r"var \1 = []"),
    (r"^var (\w+) = toObject\(\n(?:  .*\n)*\)$", r"var \1 = {}"),
)
SKIPPED = {
    "CKV_AZURE_17": "client certificates: callers of the retired API have none; calls need a key",
    "CKV_AZURE_35": "network rules of storage: vnetEnabled closes it; without a network identities do",
    "CKV_AZURE_78": "FTP: Flex Consumption has none, and refuses ftpsState",
    "CKV_AZURE_107": "a network for API Management: its callers and the app are public",
    "CKV_AZURE_174": "public access to API Management: it is for callers anywhere",
    "CKV_AZURE_109": "network rules of the vault: as for storage",
    "CKV_AZURE_131": "defaults of secure parameters: they are newGuid(), which Bicep's own rule allows",
    "CKV_AZURE_206": "replication: storageSku says which; pictures and cut-outs can be made again",
    "CKV_AZURE_212": "instances for failover: scaling to none is what the plan is chosen for",
    "CKV_AZURE_213": "health check: Flex Consumption has none; availabilityTest asks /ready",
    "CKV_AZURE_222": "public access to the app: it is a public API",
    "CKV_AZURE_225": "zone redundancy: instances start anew elsewhere, and hold nothing",
    "CKV_AZURE_41": "expiry of secrets: a key that expires by itself is an outage; rotation is documented",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What it found in a copy of the templates."""
    if not CHECKOV.is_file():
        reason = "needs Checkov in its own environment: make infra"
        if os.environ.get("CI"):
            pytest.fail(f"skipped in CI: {reason}")
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("checkov")
    for path in INFRA.rglob("*.bicep"):
        copy = folder / path.relative_to(INFRA)
        copy.parent.mkdir(exist_ok=True)
        text = path.read_text()
        for unknown, known in UNKNOWN_TO_ITS_PARSER:
            text = re.sub(unknown, known, text, flags=re.MULTILINE)
        copy.write_text(text)
    shutil.copy(INFRA / "abbreviations.json", folder)
    shutil.copy(INFRA / "gateway" / "policy.xml", folder / "gateway")
    options = ["--framework", "bicep", "--skip-download", "--output", "json"]
    command = [str(CHECKOV), "--directory", str(folder), *options]
    environment = {**os.environ, "PATH": f"{CHECKOV.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_reads_every_file_and_checks_enough(report: dict[str, Any]) -> None:
    """It ends with 0 on files that it cannot parse."""
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["passed"] + report["summary"]["failed"] >= LEAST_CHECKS


def test_it_finds_only_what_is_meant(report: dict[str, Any]) -> None:
    failed = {check["check_id"]: check["resource"] for check in report["results"]["failed_checks"]}
    assert {name: failed[name] for name in failed.keys() - SKIPPED.keys()} == {}
    assert SKIPPED.keys() - failed.keys() == set(), "no longer needed"


def test_templates_have_what_is_replaced() -> None:
    text = "".join(path.read_text() for path in INFRA.rglob("*.bicep"))
    assert all(re.search(unknown, text, re.MULTILINE) for unknown, _ in UNKNOWN_TO_ITS_PARSER)
