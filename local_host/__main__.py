"""`python -m local_host`: serve the functions, to this machine alone unless `SEGMENT_HOST` says otherwise."""

import argparse
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from shared_code.matte.built import ModelError
from shared_code.settings import IPAddress, Settings, SettingsError, load_settings
from shared_code.version import VERSION

if TYPE_CHECKING:
    from azure.functions import FunctionApp
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

_CHECK_S = 4
_CALLS_END_S = 6
_THREADS_END_S = 2
"""After SIGTERM: how long calls may go on, and then the engine's threads."""


class _Stopped(SystemExit):
    """SIGTERM came while it served."""


def main(arguments: list[str]) -> None:
    """Listen at `SEGMENT_HOST`, on the port in `PORT` (7071 by default). With --check, ask a running host."""
    parser = argparse.ArgumentParser("python -m local_host", description="Serve the functions on HTTP.")
    parser.add_argument("--check", action="store_true", help="exit 0 if a host is ready there, 1 if none is")
    parser.add_argument("--version", action="version", version=f"segment-function {VERSION}")
    check = parser.parse_args(arguments).check
    port = os.environ.get("PORT", "7071")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        sys.exit(f"PORT must be a number from 1 to 65535, not {port!r}")
    if check:
        sys.exit(_trouble(int(port)))
    # Process 1 of a container gets no signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    _serve(int(port))


def _stop(*_: object) -> NoReturn:
    raise _Stopped(0)


def _trouble(port: int) -> str | None:
    """Why the host is not ready, None when it is."""
    try:
        host = load_settings().host
    except SettingsError as error:
        return str(error)
    connection = HTTPConnection(str(_reachable(host)), port, timeout=_CHECK_S)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return None if answer.status == 200 else answer.read().decode()
    except (OSError, HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()


def _reachable(host: IPAddress) -> IPAddress:
    """The address to connect to on this machine for a server that listens at `host`."""
    if not host.is_unspecified:
        return host
    return ip_address("127.0.0.1" if host.version == 4 else "::1")


def _serve(port: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure.core").setLevel(logging.WARNING)  # its lines hold every header
    try:
        import function_app  # before anything else is imported: it begins to load the network
    except (SettingsError, ModelError):
        sys.exit(1)  # already logged
    import uvicorn

    from local_host.protocol import HEAD_BYTES, HalfCloseProtocol
    from segment_function.worker_port import KEEP_ALIVE_S

    server = _server(function_app.app, function_app.settings)
    signal.signal(signal.SIGTERM, _stop)
    with suppress(_Stopped):  # uvicorn handles SIGTERM first, and raises it again when it has ended
        uvicorn.run(
            server,
            host=str(function_app.settings.host),
            port=port,
            http=HalfCloseProtocol,
            h11_max_incomplete_event_size=HEAD_BYTES,
            log_config=None,
            timeout_graceful_shutdown=_CALLS_END_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    # Python would wait for the engine's threads, whose results nobody needs any more.
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

    functions = app.get_functions()  # works only once
    http = asgi_app(functions, unmatched)
    storage = settings.cutout.storage
    if storage is None or not storage.connection_string:
        return http
    from local_host.queue_pump import QueuePump, host_options, queue_function, with_pump

    options = host_options(Path(__file__).parents[1] / "host.json")
    pump = QueuePump(storage.connection_string, settings.cutout.queue, queue_function(functions), options)
    return with_pump(http, pump)


if __name__ == "__main__":
    main(sys.argv[1:])
