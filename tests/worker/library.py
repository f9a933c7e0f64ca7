"""Microsoft's worker library, asked to index the app as the Functions host asks it.

The messages here are all that this takes; their names and fields are those of FunctionRpc.proto. Calls of
functions are tested on the host itself.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

LIBRARY = "azure_functions_runtime"


class Message(SimpleNamespace):
    """Any message: fields are set by name."""


class StatusResult(Message):
    """How a request to the worker ended."""

    Failure = 0
    Success = 1


class BindingInfo(Message):
    """One binding; the numbers are those of `Direction` and `DataType`."""

    out = 1
    inout = 2
    undefined = 0


_ANSWERS = (
    "RpcException",
    "RpcFunctionMetadata",
    "WorkerMetadata",
    "WorkerInitResponse",
    "FunctionMetadataResponse",
    "FunctionLoadResponse",
    "FunctionEnvironmentReloadResponse",
)
PROTOS = SimpleNamespace(
    StatusResult=StatusResult, BindingInfo=BindingInfo, **dict.fromkeys(_ANSWERS, Message)
)


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

    async def init(self, app: Path) -> None:
        """WorkerInitRequest. Raises WorkerError."""
        content = Message(capabilities={}, function_app_directory=str(app))
        await self._send("worker_init_request", worker_init_request=content)

    async def reload(self, app: Path, environment: Mapping[str, str]) -> None:
        """FunctionEnvironmentReloadRequest, with the app's own copy of the library as the platform does.

        Raises WorkerError.
        """
        self._library = _imported_anew()
        self._library.start_threadpool_executor()
        content = Message(environment_variables=dict(environment), function_app_directory=str(app))
        kind = "function_environment_reload_request"
        await self._send(kind, function_environment_reload_request=content)

    async def functions(self) -> list[IndexedFunction]:
        """FunctionsMetadataRequest: what was indexed; nothing in a placeholder."""
        response = await self._send("functions_metadata_request")
        return [
            IndexedFunction(one.name, one.function_id, tuple(json.loads(raw) for raw in one.raw_bindings))
            for one in response.function_metadata_results or ()
        ]

    async def load(self, function: IndexedFunction) -> str:
        """FunctionLoadRequest; gives the id the worker answers with. Raises WorkerError."""
        content = Message(function_id=function.id)
        response = await self._send("function_load_request", function_load_request=content)
        return str(response.function_id)

    async def _send(self, kind: str, **content: object) -> Message:
        properties = {"protos": PROTOS, "host": "127.0.0.1"}
        message = Message(name=kind, request=Message(**content), properties=properties)
        response: Message = await getattr(self._library, kind)(message)
        if response.result.status != StatusResult.Success:
            exception = response.result.exception
            raise WorkerError(f"{kind}: {exception.message}\n{exception.stack_trace}")
        return response


def _imported_anew() -> ModuleType:
    for name in [name for name in sys.modules if name.partition(".")[0] == LIBRARY]:
        del sys.modules[name]
    return importlib.import_module(LIBRARY)
