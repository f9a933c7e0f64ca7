"""Microsoft's storage emulator, run from the npm package that tests/azurite pins."""

import base64
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.hosts import PROJECT, free_port, wait_until_up
from tests.support.patience import PATIENCE_S

_FOLDER = PROJECT / "tests" / "azurite"
MAIN = _FOLDER / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"

ACCOUNT = "pictures"


@contextmanager
def azurite(data: Path) -> Iterator[str]:
    """The connection string of an emulator that keeps its data in this folder; skips where it cannot run."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js, for the storage emulator Azurite")
    if not MAIN.is_file():
        pytest.skip("needs Azurite: npm ci --prefix tests/azurite")
    blob, queue, table = free_port(), free_port(), free_port()
    ports = ["--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)]
    options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(data)]
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    log = data / "azurite.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [node, MAIN, *options, *ports],
            env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
            stdout=output,
            stderr=output,
        )
    try:
        for port in (blob, queue):
            wait_until_up(f"http://127.0.0.1:{port}/{ACCOUNT}", process, log)
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
            f"BlobEndpoint=http://127.0.0.1:{blob}/{ACCOUNT};QueueEndpoint=http://127.0.0.1:{queue}/{ACCOUNT};"
        )
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
