"""Expressions of Azure Resource Manager that `bicep snapshot` leaves: those about what runs.

The grammar is that of https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions:
calls, literals, and what follows a value, `.name` or `[index]`.
"""

import re
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

type Functions = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>\w+)|(?P<sign>[()\[\].,]))")


class UnknownExpression(ValueError):  # noqa: N818 - it reads as what it is
    """Nobody plays this."""


def is_expression(value: object) -> bool:
    """Whether a text is to be evaluated; `[[` begins a text that begins with a bracket."""
    return (
        isinstance(value, str)
        and value.startswith("[")
        and value.endswith("]")
        and not value.startswith("[[")
    )


def evaluate(value: Any, functions: Functions) -> Any:  # noqa: ANN401 - any JSON
    """A document with its expressions evaluated. Raises UnknownExpression."""
    if isinstance(value, dict):
        return {evaluate(key, functions): evaluate(item, functions) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, functions) for item in value]
    return _Reader(value[1:-1], functions).value() if is_expression(value) else value


class _Reader:
    def __init__(self, text: str, functions: Functions) -> None:
        self._text = text
        self._functions = functions
        self._tokens = list(_tokens(text))
        self._at = 0

    def value(self) -> Any:  # noqa: ANN401
        result = self._operand()
        if self._at != len(self._tokens):
            raise UnknownExpression(self._text)
        return result

    def _operand(self) -> Any:  # noqa: ANN401
        kind, text = self._next()
        if kind == "text":
            result: Any = text[1:-1].replace("''", "'")
        elif kind == "number":
            result = int(text)
        elif kind == "name" and self._is("("):
            result = self._call(text)
        else:
            raise UnknownExpression(self._text)
        while self._is(".") or self._is("["):
            _, sign = self._next()
            key = self._next()[1] if sign == "." else self._operand()
            if sign == "[":
                self._expect("]")
            try:
                result = result[key]
            except (KeyError, IndexError, TypeError) as error:
                raise UnknownExpression(f"{key} in {self._text}") from error
        return result

    def _call(self, name: str) -> Any:  # noqa: ANN401
        self._expect("(")
        arguments: list[Any] = []
        while not self._is(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._operand())
        self._expect(")")
        if name not in self._functions:
            raise UnknownExpression(f"{name} in {self._text}")
        return self._functions[name](*arguments)

    def _is(self, sign: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign)

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise UnknownExpression(self._text)

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise UnknownExpression(self._text)
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise UnknownExpression(text)
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _format(pattern: str, *values: object) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: str(values[int(match[1])]), pattern)


def _resource_id(*parts: str) -> str:
    """With the type, or with subscription and group before it."""
    at = next(number for number, part in enumerate(parts) if "/" in part)
    scope = "".join(
        f"/{name}/{part}" for name, part in zip(("subscriptions", "resourceGroups"), parts[:at], strict=False)
    )
    return f"{scope}/providers/{_typed(parts[at], parts[at + 1 :])}"


def _typed(kind: str, names: Sequence[str]) -> str:
    provider, *kinds = kind.split("/")
    return "/".join([provider, *(part for pair in zip(kinds, names, strict=True) for part in pair)])


def _new_guid() -> str:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


PURE: Functions = {
    "createArray": lambda *items: list(items),
    "empty": lambda value: not value,
    "extensionResourceId": lambda scope, kind, *names: f"{scope}/providers/{_typed(kind, names)}",
    "format": _format,
    "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(parts))),
    "if": lambda condition, yes, no: yes if condition else no,
    "newGuid": _new_guid,
    "null": lambda: None,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceId": _resource_id,
    "toLower": lambda text: text.lower(),
    "true": lambda: True,
    "uniqueString": lambda *parts: uuid.uuid5(uuid.NAMESPACE_URL, "-".join(map(str, parts))).hex[:13],
}
"""Functions whose value depends on nothing but their arguments."""
