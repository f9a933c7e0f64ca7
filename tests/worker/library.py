"""Microsoft's worker library, driven as the Functions host drives it."""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

from tests.worker import protocol
from tests.worker.protocol import InvocationRequest, ParameterBinding, StatusResult

LIBRARY = "azure_functions_runtime"


class WorkerError(RuntimeError):
    """The worker answered a request with a failure; the message is the worker's."""


@dataclass(frozen=True)
class IndexedFunction:
    """A function as the worker reported it: `bindings` are those of function.json."""

    name: str
    id: str
    bindings: tuple[Mapping[str, object], ...]

    def report(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self)


class Worker:
    """One worker: started with the app, or as a placeholder that is given the app later."""

    def __init__(self) -> None:
        self._library = importlib.import_module(LIBRARY)
        self._library.start_threadpool_executor()
        self.http_port: int | None = None

    async def init(self, app: Path) -> None:
        """WorkerInitRequest. Raises WorkerError."""
        response = await self._send(
            "worker_init_request",
            worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app)),
        )
        self._note_port(response)

    async def reload(self, app: Path, environment: Mapping[str, str]) -> None:
        """FunctionEnvironmentReloadRequest, with the app's own copy of the library as the platform does.

        Raises WorkerError.
        """
        self._library = _imported_anew()
        self._library.start_threadpool_executor()
        response = await self._send(
            "function_environment_reload_request",
            function_environment_reload_request=SimpleNamespace(
                environment_variables=dict(environment), function_app_directory=str(app)
            ),
        )
        self._note_port(response)

    async def functions(self) -> list[IndexedFunction]:
        """FunctionsMetadataRequest: what was indexed; nothing in a placeholder."""
        response = await self._send("functions_metadata_request")
        return [
            IndexedFunction(one.name, one.function_id, tuple(json.loads(raw) for raw in one.raw_bindings))
            for one in response.function_metadata_results or ()
        ]

    async def load(self, function: IndexedFunction) -> str:
        """FunctionLoadRequest; gives the id the worker answers with. Raises WorkerError."""
        response = await self._send(
            "function_load_request", function_load_request=SimpleNamespace(function_id=function.id)
        )
        return str(response.function_id)

    async def invoke(self, invocation_id: str, function_id: str, *values: ParameterBinding) -> None:
        """InvocationRequest; returns when the function has. Raises WorkerError."""
        await self._send(
            "invocation_request",
            invocation_request=InvocationRequest(invocation_id, function_id, values),
        )

    async def _send(self, kind: str, **content: object) -> SimpleNamespace:
        message = SimpleNamespace(
            name=kind,
            request=SimpleNamespace(**content),
            properties={"protos": protocol, "host": "127.0.0.1"},
        )
        response: SimpleNamespace = await getattr(self._library, kind)(message)
        if response.result.status != StatusResult.Success:
            exception = response.result.exception
            raise WorkerError(f"{kind}: {exception.message}\n{exception.stack_trace}")
        return response

    def _note_port(self, response: SimpleNamespace) -> None:
        uri = response.capabilities.get("HttpUri")
        if uri is not None:
            self.http_port = int(uri.rpartition(":")[2])


def _imported_anew() -> ModuleType:
    for name in [name for name in sys.modules if name.partition(".")[0] == LIBRARY]:
        del sys.modules[name]
    return importlib.import_module(LIBRARY)
