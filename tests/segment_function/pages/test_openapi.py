import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import azure.functions as func
import pytest
from openapi_spec_validator import validate

from segment_function.api import ALIAS, ROUTE, SegmentApi, segment_blueprint
from segment_function.callers import Gate
from segment_function.pages.handlers import pages_blueprint
from segment_function.pages.openapi import JsonObject, openapi_document, openapi_json
from shared_code.engine import Engine
from shared_code.errors import SegmentError, all_errors
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore
from shared_code.record import log_record
from shared_code.settings import load_settings
from tests.support import loopback
from tests.support.hosts import KEYS, PROJECT, Host
from tests.support.photos import encoded
from tests.support.rooms import rooms

# A JSON document has no static shape, so the tests walk this one through `part`.
DOCUMENT = openapi_document(("u2net", "u2netp"), "u2net")


def part(*path: str) -> JsonObject:
    found: object = DOCUMENT
    for name in path:
        assert isinstance(found, dict)
        found = found[name]
        if isinstance(found, dict) and "$ref" in found:
            found = part(*str(found["$ref"]).removeprefix("#/").split("/"))
    assert isinstance(found, dict)
    return found


def error_classes(base: type[SegmentError] = SegmentError) -> list[type[SegmentError]]:
    below = base.__subclasses__()
    return below + [deeper for child in below for deeper in error_classes(child)]


def test_document_is_valid_openapi() -> None:
    validate(json.loads(json.dumps(DOCUMENT)))


def errors_of_redocly(path: Path) -> list[str]:
    """What breaks redocly's recommended rules; skips where it cannot run, and fails in CI."""
    program = PROJECT / "tests" / "redocly" / "node_modules" / ".bin" / "redocly"
    if shutil.which("node") is None or not program.exists():
        reason = "needs Node.js and redocly: npm ci --prefix tests/redocly"
        if os.environ.get("CI"):
            pytest.fail(f"skipped in CI: {reason}")
        pytest.skip(reason)
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run(
        [program, "lint", "--extends=recommended", "--format=json", path],
        cwd=path.parent,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=300,
    )
    problems = json.loads(done.stdout)["problems"]
    return [problem["ruleId"] for problem in problems if problem["severity"] == "error"]


@pytest.mark.slow
def test_redocly_finds_no_error(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_bytes(openapi_json(("u2net", "u2netp"), "u2net"))
    assert errors_of_redocly(path) == []


@pytest.mark.slow
def test_redocly_finds_an_error(tmp_path: Path) -> None:
    """The check can fail."""
    path = tmp_path / "openapi.json"
    document = json.loads(openapi_json(("u2net", "u2netp"), "u2net"))
    del document["security"], document["paths"]["/status"]["get"]["security"]
    path.write_text(json.dumps(document))
    assert "security-defined" in errors_of_redocly(path)


def test_a_key_is_needed_for_the_api_alone() -> None:
    for path in part("paths"):
        for method in part("paths", path):
            operation = part("paths", path, method)
            assert bool(operation["security"]) is (method == "post")


def test_examples_cover_the_closed_list_of_errors() -> None:
    assert {type(error) for error in all_errors()} == set(error_classes())
    assert len(all_errors()) == len(error_classes())


@pytest.mark.parametrize("path", [f"/{ROUTE}", f"/{ALIAS}"])
@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.id)
def test_every_error_is_an_example_of_its_status(error: SegmentError, path: str) -> None:
    response = part("paths", path, "post", "responses", str(error.status))
    headers, content = response["headers"], response["content"]
    assert isinstance(headers, dict)
    assert isinstance(content, dict)
    example = content["application/json"]["examples"][error.id]
    assert example["value"] == json.loads(error.body())
    assert example["description"] == f"`{error.body().decode()}`"
    assert "x-ms-error-code" in headers
    assert ("Retry-After" in headers) == (error.retry_after_s is not None)


@pytest.mark.slow
def test_every_route_is_described() -> None:
    app = func.FunctionApp()
    settings = load_settings({})
    engine = Engine(settings, NetworkStore(read_catalogue(), "", kept=2, threads=1), rooms())
    api = SegmentApi(settings, engine, Gate.of(settings), log_record)
    app.register_functions(segment_blueprint(api))
    app.register_functions(pages_blueprint(api))
    triggers = [
        trigger.get_dict_repr() for function in app.get_functions() if (trigger := function.get_trigger())
    ]
    routes = {
        (f"/{trigger['route']}", method.value.lower())
        for trigger in triggers
        for method in trigger["methods"]
        if not re.search("{.+}", trigger["route"])  # files of the pages, and the catch-all
    }
    described = {(path, method) for path in part("paths") for method in part("paths", path)}
    assert described == routes | {("/", "get")}  # which the catch-all answers


def test_model_name_lists_the_networks() -> None:
    schema = part("components", "parameters", "model-name", "schema")
    assert schema == {"type": "string", "enum": ["u2net", "u2netp"], "default": "u2net"}


def test_bytes_are_made_once() -> None:
    assert openapi_json(("a",), "a") is openapi_json(("a",), "a")
    assert openapi_json(("a", "b"), "a") != openapi_json(("a",), "a")


def test_host_serves_it(host: Host) -> None:
    response = loopback.get(host.url + "/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    served = response.json()
    del served["components"]["parameters"]["model-name"]
    expected = json.loads(json.dumps(DOCUMENT))
    del expected["components"]["parameters"]["model-name"]
    assert served == expected


@pytest.mark.parametrize(
    ("method", "path", "key", "query", "status", "media_type"),
    [
        ("post", f"/{ROUTE}", KEYS[0], "mode=backgroundRemoval", "200", "image/png"),
        ("post", f"/{ALIAS}", KEYS[1], "mode=foregroundMatting", "200", "image/png"),
        ("post", f"/{ROUTE}", KEYS[0], "", "400", "application/json"),
        ("post", f"/{ROUTE}", "wrong", "mode=backgroundRemoval", "401", "application/json"),
        ("post", f"/{ROUTE}", KEYS[0], "model-name=no-such", "404", "application/json"),
        ("get", "/status", "", "", "200", "application/json"),
        ("get", "/ready", "", "", "200", "application/json"),
        ("get", "/openapi.json", "", "", "200", "application/json"),
        ("get", "/swagger", "", "", "200", "text/html"),
        ("get", "/", "", "", "200", "text/html"),
    ],
)
def test_answers_have_the_described_type_and_headers(
    host: Host, method: str, path: str, key: str, query: str, status: str, media_type: str
) -> None:
    response = loopback.request(
        method,
        f"{host.url}{path}?api-version=2023-02-01-preview&{query}",
        headers={"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"},
        content=encoded("JPEG") if method == "post" else None,
    )
    assert str(response.status_code) == status
    assert response.headers["content-type"].partition(";")[0] == media_type
    described = ("paths", path, method, "responses", status)
    assert media_type in part(*described, "content")
    for name in part(*described, "headers"):
        assert name in response.headers or not part(*described, "headers", name)["required"]
