"""The routing of the front that plays the Functions host, against what the host's sources say."""

import pytest

from tests.worker.library import IndexedFunction
from tests.worker.routing import choose, routes


def function(name: str, route: str, *methods: str) -> IndexedFunction:
    trigger = {"type": "httpTrigger", "name": "req", "route": route, "methods": list(methods)}
    return IndexedFunction(name, f"id of {name}", (trigger, {"type": "http", "name": "$return"}))


TABLE = routes(
    [
        function("any", "{*path}", "GET"),
        function("Colon", "vision/image:cut", "POST"),
        function("file", "files/{name}", "GET"),
        function("about", "about", "GET", "HEAD"),
        function("behind", "{*path}", "GET", "DELETE"),
        IndexedFunction("queue", "id of queue", ({"type": "queueTrigger", "name": "message"},)),
    ],
    prefix="",
)


@pytest.mark.parametrize(
    ("method", "target", "name", "values"),
    [
        ("GET", "/about", "about", {}),
        ("head", "/about", "about", {}),
        ("GET", "/ABOUT/?q=1", "about", {}),
        ("GET", "/a%62out", "about", {}),
        ("POST", "/Vision/IMAGE:cut?x=/", "Colon", {}),
        ("POST", "/vision/image%3Acut", "Colon", {}),
        ("GET", "/vision/image:cut", "any", {"path": "vision/image:cut"}),
        ("GET", "/files/a.js", "any", {"path": "files/a.js"}),
        ("GET", "/", "any", {}),
        ("DELETE", "/about", "behind", {"path": "about"}),
        ("GET", "/files//a.js", "any", {"path": "files//a.js"}),
        ("GET", "/files%2Fa.js", "any", {"path": "files%2Fa.js"}),
    ],
)
def test_path_is_taken_by(method: str, target: str, name: str, values: dict[str, str]) -> None:
    chosen = choose(TABLE, method, target)
    assert chosen is not None
    route, found = chosen
    assert (route.function.name, found) == (name, values)


@pytest.mark.parametrize(
    ("method", "target"),
    [("PUT", "/about"), ("POST", "/vision/image:cut/more"), ("GET", "//about"), ("GET", "//")],
)
def test_path_is_taken_by_none(method: str, target: str) -> None:
    assert choose(TABLE, method, target) is None


def test_prefix_comes_before_every_route() -> None:
    table = routes([function("about", "about", "GET")], prefix="api")
    assert choose(table, "GET", "/api/about") is not None
    assert choose(table, "GET", "/about") is None
