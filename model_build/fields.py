"""Strict reading of JSON: each field is asked for once, by type, and none may be left over."""

import json
import math
import re
from collections.abc import Callable

from model_build.errors import ManifestError

_ANY_TEXT = re.compile(r".*\S.*", re.DOTALL)


def parse_object(text: str) -> "Fields":
    """The JSON object that `text` is. Raises ManifestError."""
    try:
        return Fields(json.loads(text, object_pairs_hook=_without_repeats), "")
    except json.JSONDecodeError as error:
        raise ManifestError(f"not JSON: {error}") from error


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ManifestError(f"{max(names, key=names.count)}: given twice")
    return fields


class Fields:
    """One JSON object being read: every getter checks, and `finish` refuses what nobody asked for."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise ManifestError(f"{path or 'manifest'}: expected an object")
        self._values: dict[str, object] = value
        self._path = path
        self._seen: set[str] = set()

    def names(self) -> list[str]:
        """Of all fields."""
        return list(self._values)

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return name in self._values

    def get[T](self, name: str, expected: str, convert: Callable[[object], T | None]) -> T:
        """The field through `convert`, which answers None for a wrong value."""
        if name not in self._values:
            raise ManifestError(f"{self._dotted(name)}: missing")
        self._seen.add(name)
        value = convert(self._values[name])
        if value is None:
            raise ManifestError(f"{self._dotted(name)}: expected {expected}")
        return value

    def text(self, name: str, pattern: re.Pattern[str] = _ANY_TEXT) -> str:
        """A text that the pattern describes whole."""

        def convert(value: object) -> str | None:
            return value if isinstance(value, str) and pattern.fullmatch(value) else None

        return self.get(name, f"a text matching {pattern.pattern}", convert)

    def choice[T: str](self, name: str, choices: tuple[T, ...]) -> T:
        """One of a few texts."""
        expected = "one of " + ", ".join(choices)
        return self.get(name, expected, lambda value: next((c for c in choices if c == value), None))

    def child(self, name: str) -> "Fields":
        """An object inside this one."""
        value = self.get(name, "an object", lambda value: value if isinstance(value, dict) else None)
        return Fields(value, self._dotted(name))

    def finish(self) -> None:
        """Refuse fields that were not asked for."""
        unknown = sorted(set(self._values) - self._seen)
        if unknown:
            raise ManifestError(f"{self._dotted(unknown[0])}: unknown field")

    def _dotted(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def number(value: object) -> float | None:
    """A finite number, not a truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def positive(value: object) -> float | None:
    """A finite number above 0."""
    found = number(value)
    return found if found is not None and found > 0 else None


def triple(value: object) -> tuple[float, float, float] | None:
    """Three finite numbers."""
    match [number(item) for item in value] if isinstance(value, list) else []:
        case [float(first), float(second), float(third)]:
            return first, second, third
    return None


def names(value: object) -> tuple[str, ...] | None:
    """A list of texts, none of them empty."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        return None
    return tuple(value)
