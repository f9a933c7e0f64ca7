"""The Bicep CLI as a server: one process evaluates all templates, as each start costs two seconds of a core.

Methods: https://github.com/Azure/bicep, src/Bicep.Cli/Rpc/ICliJsonRpcProtocol.cs. Each message has a header
with its length, as in the Language Server Protocol.
"""

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class TemplateRefused(ValueError):  # noqa: N818 - it reads as what it is
    """The CLI's own sentence."""


@dataclass(frozen=True)
class Scope:
    """What a template is evaluated for: ids and region; `group` where it is deployed to one."""

    subscription: str
    tenant: str
    location: str
    group: str | None = None


def environment() -> dict[str, str]:
    """This process's, and that the CLI needs no library for languages."""
    return {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **os.environ}


class Evaluator:
    """One running CLI; it ends when `close` is called."""

    def __init__(self, program: str) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [program, "jsonrpc", "--stdio"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def snapshot(self, parameters: Path, scope: Scope) -> dict[str, Any]:
        """What a template makes with a parameter file.

        Raises TemplateRefused when a value is not allowed or a file has an error.
        """
        metadata = {
            "subscriptionId": scope.subscription,
            "tenantId": scope.tenant,
            "location": scope.location,
            "resourceGroup": scope.group,
        }
        answer = self._ask("bicep/getSnapshot", {"path": str(parameters), "metadata": metadata})
        if "error" in answer:
            told = answer["error"].get("data") or answer["error"]
            raise TemplateRefused(told["message"])
        snapshot: dict[str, Any] = json.loads(answer["result"]["snapshot"])
        return snapshot

    def close(self) -> None:
        """It ends with its input."""
        self._process.communicate()

    def _ask(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [parameters]}
        content = json.dumps(request).encode()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
            self._process.stdin.flush()
            length = 0
            while field := self._process.stdout.readline().strip():
                name, _, value = field.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            answer: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return answer
