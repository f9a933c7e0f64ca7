"""After azd has provisioned: wait until its user may read the key.

Role assignments take minutes to propagate. azd reads the key for postdeploy.py, and a key that cannot be read
yet would end the deployment.
"""

import os
import sys
import time

from azure_calls import VAULT, bearer, call

PATIENCE_S = float(os.environ.get("SEGMENT_HOOK_PATIENCE_S", "300"))
_BETWEEN_S = 5


def main() -> int:
    """Wait; the exit status is always 0, because azd reports the error when it reads the key itself."""
    place = os.environ.get("API_KEY_SECRET", "")
    if not place:
        return 0
    vault, name = place.rsplit("/", 2)[-2:]
    address = f"https://{vault}.vault.azure.net/secrets/{name}?api-version=7.4"
    headers, begun, told = bearer(VAULT), time.monotonic(), False
    while call("GET", address, headers).status == 403 and time.monotonic() < begun + PATIENCE_S:
        if not told:
            print("Waiting until you may read the API key; new roles take some minutes.", flush=True)
            told = True
        time.sleep(_BETWEEN_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
