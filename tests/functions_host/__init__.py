"""Microsoft's Functions host with the app on it.

    with functions_host(log, settings, app=folder) as instance:
        httpx.get(instance.url + "/status")

serves any folder with a `host.json` and a `function_app.py`, on a free port of the loopback address.
"""

from tests.functions_host.instance import Instance, functions_host
from tests.functions_host.program import HOW_TO_GET_ONE, find_host

__all__ = ["HOW_TO_GET_ONE", "Instance", "find_host", "functions_host"]
