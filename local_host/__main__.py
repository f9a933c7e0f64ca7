"""`python -m local_host`: serve the functions on this machine only."""

import logging
import os
import sys
from pathlib import Path

import azure.functions as func
import uvicorn
from starlette.types import ASGIApp

from local_host.app import asgi_app


def main() -> None:
    """Listen on loopback, on the port in `PORT` (7071 unless set)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # its lines hold query strings
    logging.getLogger("azure.core").setLevel(logging.WARNING)  # its lines hold every header
    port = os.environ.get("PORT", "7071")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        sys.exit(f"PORT must be a number from 1 to 65535, not {port!r}")
    from function_app import app

    uvicorn.run(_server(app), host="127.0.0.1", port=int(port), log_config=None)


def _server(app: func.FunctionApp) -> ASGIApp:
    """The HTTP functions and, when storage is set by a connection string, the queue function."""
    from shared_code.process import settings

    storage = settings.cutout.storage
    if storage is None or not storage.connection_string:
        return asgi_app(app)
    from cutout_function import cutout
    from local_host.queue_pump import QueuePump, host_options, with_pump

    options = host_options(Path(__file__).parents[1] / "host.json")
    pump = QueuePump(storage.connection_string, settings.cutout.queue, cutout, options)
    return with_pump(asgi_app(app), pump)


if __name__ == "__main__":
    main()
