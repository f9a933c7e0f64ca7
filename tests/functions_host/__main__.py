"""`python -m tests.functions_host [--app FOLDER] [--port N]`: an app on the Functions host, until stopped.

App settings are taken from this process's environment.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.functions_host import HOW_TO_GET_ONE, functions_host
from tests.functions_host.instance import STORAGE, NoHostError
from tests.support.hosts import PROJECT


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", type=Path, default=PROJECT, help="folder with host.json; this project")
    parser.add_argument("--port", type=int, help="where to listen; a free one")
    parser.add_argument("--log", type=Path, help="the host's log; a file of its own")
    arguments = parser.parse_args()
    log = arguments.log or Path(tempfile.mkdtemp(prefix="functions-host-log-"), "log.txt")
    settings = {name: value for name, value in os.environ.items() if name.startswith(("SEGMENT_", "CUTOUT_"))}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    storage = os.environ.get(STORAGE, settings.get("CUTOUT_STORAGE"))
    try:
        with functions_host(log, settings, arguments.app, storage=storage, port=arguments.port) as instance:
            print(f"{instance.url}  log: {log}  Ctrl+C ends it.", flush=True)
            signal.pause()
    except NoHostError:
        sys.exit(HOW_TO_GET_ONE)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
