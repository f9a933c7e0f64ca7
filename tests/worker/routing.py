"""The Functions host's HTTP routing, over the indexed functions.

As the sources of the host read (FunctionMetadataManager, WebScriptHostHttpRoutesManager, and ASP.NET Core's
RoutePatternMatcher behind them): functions are tried in the order of their NAMES, whatever their routes
are; the first whose route and method both match is taken; letter case does not count; a path with an empty
segment before a catch-all matches nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from tests.worker.library import IndexedFunction

_PARAMETER = re.compile(r"\{(\*?)(\w+)\}")


@dataclass(frozen=True)
class Route:
    """Where one function is reached; `parameter` is the name of its trigger's argument."""

    function: IndexedFunction
    parameter: str
    segments: tuple[str, ...]
    methods: frozenset[str]

    def values(self, path: str) -> Mapping[str, str] | None:
        """The route's values in a decoded path, None when it does not match."""
        found: dict[str, str] = {}
        parts = path.removeprefix("/").removesuffix("/").split("/") if path.strip("/") else _empty(path)
        for at, part in enumerate(parts):
            if not part or at == len(self.segments):
                return None
            placeholder = _PARAMETER.fullmatch(self.segments[at])
            if placeholder is None:
                if part.lower() != self.segments[at].lower():
                    return None
            elif placeholder[1]:
                return found | {placeholder[2]: "/".join(parts[at:])}
            else:
                found[placeholder[2]] = part
        return found if all(segment.startswith("{*") for segment in self.segments[len(parts) :]) else None


def _empty(path: str) -> list[str]:
    return [""] * (len(path) - 1)


def routes(functions: Iterable[IndexedFunction], prefix: str) -> list[Route]:
    """The HTTP functions among `functions`, in the order in which the host tries them."""
    found = []
    for function in sorted(functions, key=lambda function: function.name.lower()):
        for binding in function.bindings:
            if binding["type"] == "httpTrigger":
                template = f"{prefix}/{binding['route']}".strip("/")
                methods = binding["methods"]
                assert isinstance(methods, list)
                found.append(
                    Route(
                        function,
                        str(binding["name"]),
                        tuple(template.split("/")),
                        frozenset(str(method).upper() for method in methods),
                    )
                )
    return found


def choose(table: Sequence[Route], method: str, target: str) -> tuple[Route, Mapping[str, str]] | None:
    """The route that takes a request, and its values; `target` is the request line's."""
    path = unquote(re.sub("%2f", "%252F", target.partition("?")[0], flags=re.IGNORECASE))
    for route in table:
        values = route.values(path)
        if values is not None and method.upper() in route.methods:
            return route, values
    return None
