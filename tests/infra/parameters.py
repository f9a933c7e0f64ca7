"""The file from which azd takes the parameters: which variable sets which."""

import json
import re
from typing import Any

from tests.infra.cli import INFRA

FILE = INFRA / "main.parameters.json"


def values() -> dict[str, Any]:
    """What the file says of each parameter."""
    parameters: dict[str, dict[str, Any]] = json.loads(FILE.read_text())["parameters"]
    return {name: entry["value"] for name, entry in parameters.items()}


def variables() -> dict[str, str]:
    """The variable that sets each parameter."""
    found = {name: re.fullmatch(r"\$\{(\w+)\}", str(value)) for name, value in values().items()}
    return {name: match[1] for name, match in found.items() if match}
