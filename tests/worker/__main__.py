"""`python -m tests.worker APP [ENVIRONMENT]`: has the pinned worker library index the app.

To be run outside the app's folder. Prints what the worker reported, as JSON. With a JSON file of environment
variables it starts as a placeholder that is given the app and them afterwards.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.worker.library import LIBRARY, Worker


async def main(app: Path, environment: dict[str, str] | None) -> dict[str, object]:
    """Start the worker, with the app or as a placeholder first."""
    worker = Worker()
    begin = time.process_time()
    if environment is None:
        sys.path.append(str(app))
        await worker.init(app)
    else:
        await worker.init(Path(tempfile.mkdtemp()))
        assert await worker.functions() == [], "a placeholder has no functions"
        begin = time.process_time()
        await worker.reload(app, environment)
    init_cpu_s = time.process_time() - begin
    functions = await worker.functions()
    return {
        "init_cpu_s": init_cpu_s,
        "functions": [function.report() for function in functions],
        "loaded": [await worker.load(function) for function in functions],
        "library": sys.modules[LIBRARY].__file__,
        "folder": str(Path.cwd()),
    }


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parents[2]))  # the app is to be found where the platform puts it
    given = [Path(argument) for argument in sys.argv[1:]]
    later = json.loads(given[1].read_text()) if len(given) > 1 else None
    report = json.dumps(asyncio.run(main(given[0], later)))
    sys.stdout.write(report)
    sys.stdout.flush()
    os._exit(0)  # the HTTP port serves on
