"""The page of licences, and the SBOM."""

import json
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from inventory.__main__ import main
from inventory.components import SERVICE, shipped
from inventory.page import PAGE, page
from shared_code.version import VERSION
from tests.support.hosts import PROJECT


def test_the_page_is_as_it_would_be_written_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(shipped()), "run make licences"


def test_the_sbom_is_valid_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    main(["--sbom", str(target)])
    text = target.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    own = document["metadata"]["component"]
    assert (own["name"], own["version"]) == (SERVICE, VERSION)
    listed = {(entry["name"], entry.get("version", "")) for entry in document["components"]}
    assert listed == {(one.name, one.version) for one in shipped()}
    assert all(entry["licenses"] for entry in document["components"])


def test_a_release_has_the_sbom() -> None:
    workflow = (PROJECT / ".github" / "workflows" / "release.yml").read_text()
    assert 'make sbom SBOM="dist/' in workflow
    assert "dist/*" in workflow


def test_the_sbom_leads_from_the_service_to_every_part(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    main(["--sbom", str(target)])
    document = json.loads(target.read_text())
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    reached, waiting = set(), [SERVICE]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += needs[ref]
    assert reached == {SERVICE, *(entry["bom-ref"] for entry in document["components"])}
