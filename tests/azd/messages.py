"""Calls that arrive, and what is answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API_ERROR = "x-ms-error-code"


@dataclass(frozen=True)
class Call:
    """One request; names of headers are in small letters."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    source: str = ""
    """The public address it comes from; empty from inside the private network."""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The first value of each parameter."""
        asked = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in asked.items()}

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.body) if self.body else None

    def __str__(self) -> str:
        return f"{self.method} https://{self.host}{self.target}"


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def answer_json(content: object, status: int = 200, **headers: str) -> Answer:
    """A document; underscores in names of headers become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **named})


def error(status: int, code: str, message: str, details: list[dict[str, str]] | None = None) -> Answer:
    """An error document of Azure Resource Manager."""
    document = {"code": code, "message": message, "details": details or []}
    return Answer(
        status,
        json.dumps({"error": document}).encode(),
        {"Content-Type": "application/json", API_ERROR: code},
    )
