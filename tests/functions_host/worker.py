"""The process of the Python worker: takes the host's messages to the library that the app pins.

The platform's own (`workers/proxy_worker` of azure-functions-python-worker) is on no registry. This one keeps
to its way: the app's packages come before grpc and protobuf, which come before the app; requests are tasks;
what is logged goes to the host. It is copied beside the compiled protos, and run there without site-packages.
"""

import argparse
import asyncio
import importlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

LIBRARY = "azure_functions_runtime"
APP = "AzureWebJobsScriptRoot"
ANSWERS = {
    "worker_init_request": "worker_init_response",
    "function_environment_reload_request": "function_environment_reload_response",
    "functions_metadata_request": "function_metadata_response",
    "function_load_request": "function_load_response",
    "invocation_request": "invocation_response",
}
_invocation: ContextVar[str] = ContextVar("invocation", default="")


def use_app(app: Path) -> None:
    """Let the app's packages be found first, and the app last."""
    sys.path.insert(0, str(app / ".python_packages" / "lib" / "site-packages"))
    sys.path.append(str(app))
    sys.path_importer_cache.clear()


def import_protos() -> ModuleType:
    """All compiled messages in one module, as the library wants them."""
    protos = ModuleType("protos")
    for name in ("shared.NullableTypes_pb2", "identity.ClaimsIdentityRpc_pb2", "FunctionRpc_pb2"):
        vars(protos).update(vars(importlib.import_module(name)))
    return protos


class Worker:
    """One worker, on one stream."""

    def __init__(self, arguments: argparse.Namespace, protos: Any) -> None:
        self._arguments = arguments
        self._protos = protos
        self._out: asyncio.Queue[Any] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._library: Any = None

    async def run(self) -> None:
        """Serve the host until it ends the stream."""
        import grpc
        from FunctionRpc_pb2_grpc import FunctionRpcStub

        most = self._arguments.grpcMaxMessageLength
        options = [("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", most)]
        address = f"{self._arguments.host}:{self._arguments.port}"
        async with grpc.aio.insecure_channel(address, options) as channel:
            self.send(start_stream=self._protos.StartStream(worker_id=self._arguments.workerId))
            async for message in FunctionRpcStub(channel).EventStream(self._outgoing()):
                task = asyncio.create_task(self._serve(message))
                self._tasks.add(task)  # the event loop does not keep it alive
                task.add_done_callback(self._tasks.discard)

    def send(self, request_id: str = "", **content: Any) -> None:
        """Queue a message for the host; from any thread."""
        message = self._protos.StreamingMessage(request_id=request_id or self._arguments.requestId, **content)
        self._loop.call_soon_threadsafe(self._out.put_nowait, message)

    async def _outgoing(self) -> AsyncIterator[Any]:
        while True:
            yield await self._out.get()

    async def _serve(self, message: Any) -> None:
        kind = message.WhichOneof("content")
        if kind == "worker_status_request":
            self.send(message.request_id, worker_status_response=self._protos.WorkerStatusResponse())
        elif kind in ANSWERS:
            if kind == "invocation_request":
                _invocation.set(message.invocation_request.invocation_id)
            self.send(message.request_id, **{ANSWERS[kind]: await self._answer(kind, message)})

    async def _answer(self, kind: str, message: Any) -> Any:
        if kind == "worker_init_request" and _is_placeholder():
            return self._placeholder()
        if kind == "functions_metadata_request" and self._library is None:
            return self._protos.FunctionMetadataResponse(result=self._success())
        if kind == "function_environment_reload_request":
            use_app(Path(message.function_environment_reload_request.function_app_directory))
        if self._library is None:
            self._library = importlib.import_module(LIBRARY)
            self._library.start_threadpool_executor()
        properties = {"protos": self._protos, "host": self._arguments.host}
        request = SimpleNamespace(name=kind, request=message, properties=properties)
        return await getattr(self._library, kind)(request)

    def _placeholder(self) -> Any:
        """An answer without the library, which comes with the app."""
        return self._protos.WorkerInitResponse(result=self._success())

    def _success(self) -> Any:
        return self._protos.StatusResult(status=self._protos.StatusResult.Success)


class HostHandler(logging.Handler):
    """Sends what is logged to the host, which drops lines that belong to no running invocation."""

    def __init__(self, worker: Worker, protos: Any) -> None:
        super().__init__()
        self._worker = worker
        self._protos = protos

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        levels = (("Critical", 50), ("Error", 40), ("Warning", 30), ("Information", 20), ("Debug", 0))
        level = next(name for name, least in levels if record.levelno >= least)
        is_system = record.name.startswith(("azure.functions", LIBRARY))
        category = self._protos.RpcLog.RpcLogCategory.Value("System" if is_system else "User")
        line = self._protos.RpcLog(
            level=self._protos.RpcLog.Level.Value(level),
            message=self.format(record),
            category=record.name,
            log_category=category,
            invocation_id=_invocation.get(),
        )
        self._worker.send(rpc_log=line)


def _is_placeholder() -> bool:
    return os.environ.get("WEBSITE_PLACEHOLDER_MODE") == "1"


async def _main(arguments: argparse.Namespace) -> None:
    protos = import_protos()
    worker = Worker(arguments, protos)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(HostHandler(worker, protos))
    await worker.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, kind in (("host", str), ("port", int), ("workerId", str), ("requestId", str)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--grpcMaxMessageLength", type=int, default=-1)
    arguments, _ = parser.parse_known_args()  # the host gives each of them twice, by another name too
    if not _is_placeholder():
        use_app(Path(os.environ[APP]))
    asyncio.run(_main(arguments))
