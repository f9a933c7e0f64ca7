"""`python -m tests.worker`: the pinned worker library with the app, behind a front that plays the host.

To be run outside the app's folder. Writes what the worker reported to a file, then serves.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

from tests.worker.front import Front
from tests.worker.library import LIBRARY, IndexedFunction, Worker
from tests.worker.routing import routes


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--app", type=Path, required=True, help="the app's folder")
    parser.add_argument("--port", type=int, required=True, help="where to listen as the host")
    parser.add_argument(
        "--report", type=Path, required=True, help="file to write what the worker reported to"
    )
    parser.add_argument("--placeholder", type=Path, help="start without the app; its environment, as JSON")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.path.remove(str(Path(__file__).parents[2]))  # the app is to be found where the platform puts it
    environment = json.loads(arguments.placeholder.read_text()) if arguments.placeholder else None
    host_json = json.loads((arguments.app / "host.json").read_text())
    prefix = host_json["extensions"]["http"]["routePrefix"]
    asyncio.run(_run(arguments.app, arguments.port, arguments.report, environment, prefix))


async def _run(app: Path, port: int, report: Path, environment: dict[str, str] | None, prefix: str) -> None:
    """Start the worker, with the app or as a placeholder first, and serve until the process is ended."""
    worker = Worker()
    begin = time.monotonic()
    if environment is None:
        sys.path.append(str(app))
        await worker.init(app)
    else:
        await worker.init(report.parent)
        assert await worker.functions() == [], "a placeholder has no functions"
        begin = time.monotonic()
        await worker.reload(app, environment)
    init_s = time.monotonic() - begin
    functions = await worker.functions()
    loaded = [await worker.load(function) for function in functions]
    _write(report, functions, loaded, init_s)
    await _listening(worker)
    await Front(worker, routes(functions, prefix)).serve(port)


def _write(report: Path, functions: list[IndexedFunction], loaded: list[str], init_s: float) -> None:
    document = {
        "init_s": init_s,
        "functions": [function.report() for function in functions],
        "loaded": loaded,
        "library": sys.modules[LIBRARY].__file__,
        "folder": os.getcwd(),
    }
    report.write_text(json.dumps(document))


async def _listening(worker: Worker) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", worker.http_port)
        except ConnectionError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


if __name__ == "__main__":
    main()
