"""API Management in front: its template as the Bicep CLI sees it, and its policy beside what the API is."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from segment_function.api import ALIAS, ROUTE
from segment_function.callers import CALLER_HEADER, KEY_HEADER
from segment_function.clouds import PUBLIC
from shared_code.errors import AccessDenied, InternalError, ResourceNotFound, TooManyRequests
from shared_code.settings import MAX_DEADLINE_S
from tests.infra.cli import GATEWAY, Bicep, findings, resources, snapshot_of

SERVICE = "Microsoft.ApiManagement/service"
RETRY = '" + context.Response.Headers.GetValueOrDefault("Retry-After", "60") + "'


def only(kind: str) -> dict[str, Any]:
    (resource,) = resources(GATEWAY, f"{SERVICE}{kind}")
    properties: dict[str, Any] = resource["properties"]
    return properties


@pytest.fixture(scope="module")
def policy() -> ElementTree.Element:
    """As it is after its limits were put in."""
    return ElementTree.fromstring(only("/apis/policies")["value"])


def test_it_builds_and_evaluates_to_what_is_committed(bicep: Bicep) -> None:
    template = GATEWAY.with_name("main.bicep")
    for done in (bicep("lint", template), bicep("build", "--no-restore", "--stdout", template)):
        assert (findings(done), done.returncode) == ([], 0)
    assert bicep.evaluated(GATEWAY) == snapshot_of(GATEWAY)


def test_the_api_is_the_apps() -> None:
    api = only("/apis")
    assert api["subscriptionRequired"] is True
    assert api["subscriptionKeyParameterNames"]["header"] == KEY_HEADER
    assert api["protocols"] == ["https"]
    operations = resources(GATEWAY, f"{SERVICE}/apis/operations")
    routes = {api["path"] + each["properties"]["urlTemplate"] for each in operations}
    assert routes == {ROUTE, ALIAS}
    assert {each["properties"]["method"] for each in operations} == {"POST"}


def test_every_caller_has_a_subscription_to_the_api() -> None:
    found = resources(GATEWAY, f"{SERVICE}/subscriptions")
    assert [each["properties"]["displayName"] for each in found] == ["shop", "app"]
    assert all(each["properties"]["scope"].endswith("/apis/segment") for each in found)


def test_calls_are_counted_and_named_and_signed_in(policy: ElementTree.Element) -> None:
    inbound = policy.find("inbound")
    assert inbound is not None
    tags = [each.tag for each in inbound if isinstance(each.tag, str)]
    assert tags == [
        "base",
        "rate-limit",
        "quota",
        "set-header",
        "set-header",
        "authentication-managed-identity",
    ]
    rate, quota, named, key, signed_in = list(inbound)[1:]
    assert (rate.attrib["calls"], rate.attrib["renewal-period"]) == ("60", "60")
    assert (quota.attrib["calls"], quota.attrib["renewal-period"]) == ("2000", "86400")
    assert (named.attrib["name"], named.attrib["exists-action"]) == (CALLER_HEADER, "override")
    assert (key.attrib["name"], key.attrib["exists-action"]) == (KEY_HEADER, "delete")
    assert signed_in.attrib["resource"] == PUBLIC.audience


def test_nothing_is_buffered_and_the_app_gives_up_first(policy: ElementTree.Element) -> None:
    forward = policy.find("backend/forward-request")
    assert forward is not None
    assert forward.attrib["buffer-request-body"] == forward.attrib["buffer-response"] == "false"
    assert MAX_DEADLINE_S < int(forward.attrib["timeout"]) <= 240


def test_its_errors_have_the_form_of_the_api(policy: ElementTree.Element) -> None:
    said = {
        int(status): when.findtext("set-body")
        for when in policy.iterfind("on-error/choose/when")
        for status in re.findall(r"== (\d+)", when.attrib["condition"])
    }
    assert said.keys() == {401, 403, 404, 429}
    assert said[401] == AccessDenied().body().decode()
    assert said[404] == ResourceNotFound().body().decode()
    assert policy.findtext("on-error/choose/otherwise/set-body") == InternalError().body().decode()
    assert json.loads(said[403] or "")["error"].keys() == {"code", "message"}
    text = TooManyRequests().body().decode()
    expression = text.replace('"', '\\"').replace("after 2 seconds", f"after {RETRY} seconds")
    assert said[429] == f'@("{expression}")'
