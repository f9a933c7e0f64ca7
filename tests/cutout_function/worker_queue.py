"""`python -m tests.cutout_function.worker_queue APP`: drains the queue through Microsoft's worker library.

The pump plays the host's queue trigger; what it calls is an invocation of the worker. To be run outside the
app's folder, with the app's settings.
"""

import asyncio
import base64
import sys
from dataclasses import dataclass
from pathlib import Path

import azure.functions as func

from local_host.queue_pump import PumpOptions, QueuePump
from shared_code.settings import load_settings
from tests.worker.library import IndexedFunction, Worker
from tests.worker.protocol import InvocationRequest, ParameterBinding, TypedData


@dataclass(frozen=True)
class Text(TypedData):
    """A string, as a queue message and its metadata travel."""

    string: str = ""

    def WhichOneof(self, name: str) -> str | None:
        return "string"


class QueueWorker(Worker):
    """A worker with one queue function."""

    async def start(self, app: Path) -> IndexedFunction:
        """Index and load the app; gives its queue function."""
        await self.init(app)
        for function in await self.functions():
            await self.load(function)
            if function.bindings[0]["type"] == "queueTrigger":
                queue_function = function
        return queue_function

    async def invoke_queue(self, function: IndexedFunction, message: func.QueueMessage) -> None:
        """Run the function with a message, decoded as the host does. Raises WorkerError."""
        text = base64.b64decode(message.get_body()).decode()
        value = ParameterBinding(str(function.bindings[0]["name"]), Text(string=text))
        metadata = {"Id": Text(string=message.id or ""), "DequeueCount": Text(string="1")}
        request = InvocationRequest(message.id or "", function.id, (value,), metadata)
        await self._send("invocation_request", invocation_request=request)


async def drain(app: Path) -> None:
    """Serve messages until there are none left."""
    worker = QueueWorker()
    function = await worker.start(app)
    cutout = load_settings().cutout
    assert cutout.storage is not None

    async def invoke(message: func.QueueMessage) -> None:
        await worker.invoke_queue(function, message)

    options = PumpOptions(retry_delay_s=0, max_dequeue_count=3)
    pump = QueuePump(cutout.storage.connection_string, cutout.queue, invoke, options)
    while await pump.serve_one():
        pass


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    asyncio.run(drain(Path(sys.argv[1])))
