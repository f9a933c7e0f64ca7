"""`python -m local_host`: serve the functions on this machine only."""

import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from shared_code.settings import Settings, SettingsError

if TYPE_CHECKING:
    from azure.functions import FunctionApp
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

_CALLS_END_S = 6
_THREADS_END_S = 2
"""After SIGTERM: how long calls may go on, and then the engine's threads."""


def main() -> None:
    """Listen on loopback, on the port in `PORT` (7071 unless set)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure.core").setLevel(logging.WARNING)  # its lines hold every header
    port = os.environ.get("PORT", "7071")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        sys.exit(f"PORT must be a number from 1 to 65535, not {port!r}")
    try:
        import function_app  # before anything else is imported: it begins to load the network
    except SettingsError as error:
        sys.exit(str(error))
    import uvicorn

    from local_host.protocol import HEAD_BYTES, HalfCloseProtocol

    server = _server(function_app.app, function_app.settings)
    uvicorn.run(
        server,
        host="127.0.0.1",
        port=int(port),
        http=HalfCloseProtocol,
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=None,
        timeout_graceful_shutdown=_CALLS_END_S,
    )
    # Python waits for the engine's threads; what they still make is for nobody.
    end = threading.Timer(_THREADS_END_S, os._exit, [0])
    end.daemon = True
    end.start()


def _server(app: "FunctionApp", settings: Settings) -> "ASGIApp":
    """The HTTP functions and, when storage is set by a connection string, the queue function."""
    from local_host.app import asgi_app
    from segment_function.answer import answer_page
    from segment_function.pages.handlers import not_found

    async def unmatched(request: "Request") -> "Response":
        return await answer_page(request, settings.region, not_found)

    functions = app.get_functions()  # which can be asked for once
    http = asgi_app(functions, unmatched)
    storage = settings.cutout.storage
    if storage is None or not storage.connection_string:
        return http
    from local_host.queue_pump import QueuePump, host_options, queue_function, with_pump

    options = host_options(Path(__file__).parents[1] / "host.json")
    pump = QueuePump(storage.connection_string, settings.cutout.queue, queue_function(functions), options)
    return with_pump(http, pump)


if __name__ == "__main__":
    main()
