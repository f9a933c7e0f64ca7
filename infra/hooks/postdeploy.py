"""After azd has deployed: a first cut-out, and what to do next. Never fails a deployment."""

import os
import sys
import time
from pathlib import Path

from azure_calls import Reply, call, resolve_references_again, unresolved_references

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE = PROJECT / "segment_function" / "pages" / "static" / "sample-product.jpg"
SEGMENT = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval"
PATIENCE_S = float(os.environ.get("SEGMENT_HOOK_PATIENCE_S", "300"))
_BETWEEN_S = 2
_UNTIL_REFERENCES_S = 20
"""Longer than a cold start. After each such time without an answer the key references are checked."""
AGAIN = "Run 'azd hooks run postdeploy' in some minutes to try again."


class NoCutout(Exception):  # noqa: N818 - it says what it is
    """There is no cut-out; the message gives the cause in one sentence."""


def main() -> int:
    """Make the first cut-out and print what to do next; the exit status is always 0."""
    endpoint = os.environ.get("SERVICE_API_ENDPOINT", "").rstrip("/")
    vault = os.environ.get("AZURE_KEY_VAULT_NAME", "")
    try:
        if not endpoint:
            raise NoCutout("Nothing is provisioned yet: run 'azd up'.")
        until_ready(endpoint)
        where = first_cutout(endpoint, os.environ.get("SEGMENT_KEY", ""))
        print(f"\nA cut-out by your own endpoint: {where}")
    except (NoCutout, OSError) as cause:
        print(f"\nNo cut-out yet: {cause}")
    show = f"az keyvault secret show --vault-name {vault} --name api-key-1 --query value --output tsv"
    print(f"Endpoint:      {endpoint or 'none'}")
    print(f"Show your key: {show if vault else 'there is none yet'}")
    print(f"Next:          open {endpoint}/ in a browser; docs/deploy.md goes on from here.")
    return 0


def until_ready(endpoint: str) -> None:
    """Wait until the service is ready. Raises NoCutout if it is not in time."""
    begun = looked = time.monotonic()
    while (reply := call("GET", f"{endpoint}/ready")).status != 200:
        now = time.monotonic()
        if now > begun + PATIENCE_S:
            raise NoCutout(why_not_ready(reply))
        if now > looked + _UNTIL_REFERENCES_S:
            looked = now
            print("The app is not ready yet; looking whether it can read its keys.", flush=True)
            if unresolved_references():
                resolve_references_again()
        time.sleep(_BETWEEN_S)


def why_not_ready(reply: Reply) -> str:
    """Why the service is not ready, in one sentence."""
    unresolved = unresolved_references()
    if unresolved:
        names = ", ".join(f"{name}: {status}" for name, status in unresolved.items())
        return (
            f"the app cannot read its keys from the vault ({names}), for its role is not known yet. {AGAIN}"
        )
    if reply.status == 0:
        return f"the endpoint cannot be reached from here ({reply.body.decode(errors='replace')}). {AGAIN}"
    return f"the app was not ready in time (/ready answers {reply.status}); its log says why. {AGAIN}"


def first_cutout(endpoint: str, key: str) -> Path:
    """Make the cut-out and return the PNG's path. Raises NoCutout."""
    if not key:
        raise NoCutout(without_key())
    reply = ask(endpoint, key)
    if reply.status == 401 and resolve_references_again():  # a key that was changed since the app read it
        until_ready(endpoint)
        reply = ask(endpoint, key)
    if reply.status != 200:
        raise NoCutout(f"the endpoint answered {reply.status}: {reply.body[:300].decode(errors='replace')}")
    target = PROJECT / ".azure" / os.environ.get("AZURE_ENV_NAME", "") / "cutout.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(reply.body)
    return target


def ask(endpoint: str, key: str) -> Reply:
    """Send the sample picture with the key."""
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"}
    return call("POST", endpoint + SEGMENT, headers, SAMPLE.read_bytes())


def without_key() -> str:
    """Why azd has not provided the key."""
    if os.environ.get("VNET_ENABLED", "").lower() == "true":
        return (
            "the key is in a vault that is open to your private network and to ALLOWED_ADDRESSES only, "
            "and is read from there."
        )
    return "who deployed has no role to read the key: a pipeline, or a person with DEPLOYER_ACCESS=false."


if __name__ == "__main__":
    sys.exit(main())
