"""The API keys of a deployment: `keys.py show api-key-1`, `keys.py rotate api-key-2`.

It needs only Python and azd, signed in as somebody who may read and set secrets. A rotation checks both keys
with calls to the service, before and after; meanwhile callers use the other key.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("hooks")))

from azure_calls import VAULT, bearer, call, resolve_references_again

NAMES = ("api-key-1", "api-key-2")
PATIENCE_S = float(os.environ.get("SEGMENT_KEYS_PATIENCE_S", "600"))
_BETWEEN_S = 2
_UNTIL_ASKED_AGAIN_S = 60
_IN_A_ROW = 5
"""Calls that must succeed in a row, because there may be several instances."""
_OUTPUTS = ("AZURE_FUNCTION_NAME", "AZURE_KEY_VAULT_NAME", "AZURE_RESOURCE_GROUP", "AZURE_SUBSCRIPTION_ID")
_CALL = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"


class KeyFailure(Exception):  # noqa: N818 - it says what it is
    """The command failed; the message gives the cause."""


def main(arguments: list[str]) -> int:
    """Show or rotate a key; the exit status is 0 if that succeeded and a rotation was verified."""
    parser = argparse.ArgumentParser(prog="keys.py", description="The API keys of the environment azd is in.")
    parser.add_argument("what", choices=("show", "rotate"))
    parser.add_argument("name", choices=NAMES)
    asked = parser.parse_args(arguments)
    try:
        load_environment()
        if asked.what == "show":
            print(read(asked.name))
        else:
            rotate(asked.name)
    except KeyFailure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def load_environment() -> None:
    """Put azd's values of the deployment into the environment. Raises KeyFailure."""
    try:
        done = subprocess.run(
            ["azd", "env", "get-values", "--output", "json"], capture_output=True, text=True
        )
        values = json.loads(done.stdout)
    except (OSError, ValueError):
        values = {}
    os.environ.update({name: str(value) for name, value in values.items()})
    missing = [name for name in (*_OUTPUTS, "SERVICE_API_ENDPOINT") if not os.environ.get(name)]
    if missing:
        raise KeyFailure(f"azd knows no {missing[0]} here: run 'azd up', or choose with 'azd env select'.")


def rotate(name: str) -> None:
    """Replace a key, and wait until the service accepts it.

    Raises KeyFailure if it does not, after restoring the old key.
    """
    other = NAMES[1 - NAMES.index(name)]
    kept, old = read(other), read(name)
    if not becomes_taken(kept, refresh=False):
        raise KeyFailure(f"Nothing was changed: the service does not take {other}, which callers would need.")
    new = secrets.token_hex(32)
    write(name, new)
    print(f"{name} is set in the vault; having the service read it.", flush=True)
    if not becomes_taken(new, refresh=True):
        write(name, old)
        resolve_references_again()
        raise KeyFailure(
            f"The service did not take the new {name} in time; the old one is back in the vault."
        )
    if not becomes_taken(kept, refresh=False):
        raise KeyFailure(f"The service takes the new {name}, and no longer {other}: look at its log.")
    print(f"The service takes the new {name}, and {other} as before; the old {name} is gone.")
    print(f"Give callers {name} (python infra/keys.py show {name}); then rotate {other}.")


def becomes_taken(key: str, refresh: bool) -> bool:
    """Whether the service accepts the key in time.

    With `refresh` the service is made to read its keys again until then; without, the first refusal counts.
    """
    end, refresh_at, in_a_row = time.monotonic() + PATIENCE_S, 0.0, 0
    while time.monotonic() < end:
        if refresh and time.monotonic() >= refresh_at:
            resolve_references_again()
            refresh_at = time.monotonic() + _UNTIL_ASKED_AGAIN_S
        status = answer_to(key)
        in_a_row = in_a_row + 1 if status == 400 else 0
        if in_a_row == _IN_A_ROW:
            return True
        if status == 401 and not refresh:
            return False
        if status != 400:
            time.sleep(_BETWEEN_S)
    return False


def answer_to(key: str) -> int:
    """The status of a call without a picture: 400 if the key is accepted, 401 if it is not."""
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json"}
    return call("POST", os.environ["SERVICE_API_ENDPOINT"].rstrip("/") + _CALL, headers, b"{}").status


def read(name: str) -> str:
    """Read a key from the vault. Raises KeyFailure."""
    reply = call("GET", _secret(name), bearer(VAULT))
    value = reply.json().get("value")
    if reply.status != 200 or not isinstance(value, str):
        raise KeyFailure(f"{name} cannot be read ({_why(reply.status)}).")
    return value


def write(name: str, value: str) -> None:
    """Write a key to the vault. Raises KeyFailure."""
    body = json.dumps({"value": value, "contentType": "text/plain"}).encode()
    reply = call("PUT", _secret(name), {**bearer(VAULT), "Content-Type": "application/json"}, body)
    if reply.status != 200:
        raise KeyFailure(f"{name} cannot be set ({_why(reply.status)}).")


def _secret(name: str) -> str:
    return f"https://{os.environ['AZURE_KEY_VAULT_NAME']}.vault.azure.net/secrets/{name}?api-version=7.4"


def _why(status: int) -> str:
    causes = {
        0: "the vault is not reached from here: in a closed network, do it from inside",
        401: "sign in: azd auth login",
        403: "you have no role on the vault, or it is not known yet: wait some minutes, or set DEVELOPER_ID",
        404: "the vault has no such secret",
    }
    return causes.get(status, f"the vault answered {status}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
