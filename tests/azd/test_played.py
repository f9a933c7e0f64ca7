"""The played Azure itself: that it refuses, asks for tokens, and knows what it does not know."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.azd.expressions import PURE, UnknownExpression, evaluate
from tests.azd.firewall import lets_in
from tests.azd.identity import MANAGEMENT, PERSON, Entra
from tests.azd.messages import Answer, Call, answer_json
from tests.azd.proxy import is_played
from tests.azd.site import Published, Site
from tests.azd.storage import Storage
from tests.azd.telemetry import Telemetry
from tests.azd.vault import AUDIENCE, Vault
from tests.functions_host import Instance


@pytest.fixture
def entra() -> Entra:
    return Entra()


def call(entra: Entra | None, audience: str = AUDIENCE, method: str = "GET", body: bytes = b"") -> Call:
    headers = {"authorization": f"Bearer {entra.token(audience, PERSON)}"} if entra else {}
    return Call(method, "kv.vault.azure.net", "/secrets/api-key-1?api-version=7.4", headers, body)


def vault(entra: Entra, roles: set[str]) -> Vault:
    made = Vault(entra, lambda _principal, _name, wanted: bool(roles & wanted))
    made.make([{"name": "kv/api-key-1", "properties": {"value": "first"}}])
    return made


def test_vault_wants_a_token_of_its_own(entra: Entra) -> None:
    asked = vault(entra, {"4633458b-17de-408a-b874-0445c86b69e6"})
    answer = asked.answer(call(None))
    assert answer.status == 401
    assert 'resource="https://vault.azure.net"' in answer.headers["WWW-Authenticate"]
    assert asked.answer(call(entra, MANAGEMENT[0])).status == 401
    assert asked.answer(call(Entra())).status == 401  # another authority's
    assert json.loads(asked.answer(call(entra)).body)["value"] == "first"


def test_vault_wants_a_role(entra: Entra) -> None:
    assert vault(entra, set()).answer(call(entra)).status == 403
    reader = vault(entra, {"4633458b-17de-408a-b874-0445c86b69e6"})
    assert reader.answer(call(entra, method="PUT", body=b'{"value": "other"}')).status == 403


def test_secret_is_made_once(entra: Entra) -> None:
    made = vault(entra, set())
    made.make([{"name": "kv/api-key-1", "properties": {"value": "another"}}])
    assert made.secrets == {("kv", "api-key-1"): "first"}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[format('a{0}c', 'b')]", "abc"),
        ("[if(empty(''), null(), 'x')]", None),
        ("[createArray('a', 'it''s')[1]]", "it's"),
        ("[resourceId('s', 'g', 'A.B/c', 'd')]", "/subscriptions/s/resourceGroups/g/providers/A.B/c/d"),
        ("[[no expression]", "[[no expression]"),
        ({"a": ["[toLower('B')]"]}, {"a": ["b"]}),
    ],
)
def test_expressions(expression: object, value: object) -> None:
    assert evaluate(expression, PURE) == value


@pytest.mark.parametrize("expression", ["[nobody()]", "[format('a']", "['a'.b]", "[1 2]", "[?]"])
def test_expression_that_nobody_plays(expression: str) -> None:
    with pytest.raises(UnknownExpression):
        evaluate(expression, PURE)


@pytest.mark.parametrize(
    ("host", "played"),
    [("management.azure.com", True), ("aka.ms", True), ("notazure.com", False), ("files.example.org", False)],
)
def test_hosts(host: str, played: bool) -> None:
    assert is_played(host) is played


def test_telemetry_is_weighed(entra: Entra) -> None:
    sink = Telemetry(entra)
    line = {"name": "Message", "data": {"baseData": {"message": "Transmission succeeded"}}}
    body = "\n".join(json.dumps(line) for _ in range(3)).encode()
    host = "westeurope-5.in.applicationinsights.azure.com"
    answer = sink.answer(Call("POST", host, "/v2.1/track", {}, body))
    assert answer == answer_json({"itemsReceived": 3, "itemsAccepted": 3, "errors": []})
    size, kinds = sink.weigh(0)
    assert size == 3 * len(json.dumps(line, separators=(",", ":")))
    assert "3 x ? Message: Transmission succeeded" in kinds
    assert sink.without_token == 3


def test_account_that_nobody_has_made(entra: Entra, tmp_path: Path) -> None:
    account = Storage(entra, None, tmp_path)  # type: ignore[arg-type]  # it makes no certificate
    answer: Answer = account.answer(Call("GET", "other.blob.core.windows.net", "/", {}, b""))
    assert answer.status == 404


def test_instance_stays_when_the_next_does_not_start(
    entra: Entra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Path] = []

    @contextmanager
    def host(log: Path, *_: object) -> Iterator[Instance]:
        if log.name == "host-2.txt":
            raise RuntimeError("the host did not become ready")
        yield Instance(0, 0, log, tmp_path)
        ended.append(log)

    monkeypatch.setattr("tests.azd.site.functions_host", host)
    config = {"siteUpdateStrategy": {"type": "RollingUpdate"}}
    app = {"properties": {"functionAppConfig": config, "siteConfig": {"appSettings": []}}}
    rolled = Site(entra, tmp_path, resource=app, published=[Published("", 0, tmp_path)])
    rolled.start()
    before = rolled.instance
    with pytest.raises(RuntimeError, match="did not become ready"):
        rolled.refresh()
    assert rolled.instance is before
    assert ended == []
    rolled.refresh()
    assert rolled.instance is not before
    assert len(ended) == 1
    rolled.end()


CLOSED = {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}, {"value": "198.51.100.0/24"}]}


@pytest.mark.parametrize(
    ("access", "rules", "source", "enters"),
    [
        ("Enabled", {"defaultAction": "Allow"}, "192.0.2.1", True),
        ("Enabled", CLOSED, "203.0.113.7", True),
        ("Enabled", CLOSED, "198.51.100.9", True),
        ("Enabled", CLOSED, "203.0.113.8", False),
        ("Enabled", CLOSED, "", True),
        ("Disabled", CLOSED, "203.0.113.7", False),
        ("Disabled", CLOSED, "", True),
    ],
)
def test_firewall(access: str, rules: dict[str, object], source: str, enters: bool) -> None:
    assert lets_in({"publicNetworkAccess": access, "networkAcls": rules}, source) is enters
