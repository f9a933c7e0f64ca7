"""Download a file by https; a download that broke off is resumed."""

import sys
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import httpx

from model_build.errors import told_as

MOST_BYTES = 2 << 30
"""The limit of protobuf, so no ONNX file is larger."""
_TIMEOUT_S = 30
_TOLD_EVERY = 32 << 20
_TRIES_WITHOUT_GAIN = 2


def download(url: str, target: Path, most_bytes: int = MOST_BYTES) -> None:
    """Download to `target`, with progress on standard error. Raises BuildError.

    What `target` already holds is taken for the beginning of the file, and is kept when the download fails.
    The caller has to check the whole file. Redirects are followed if they lead to https.
    """
    client = httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S, event_hooks={"request": [_check_https]})
    tries = _TRIES_WITHOUT_GAIN
    with told_as(f"{url} could not be downloaded"), client, target.open("ab") as file:
        while True:
            before = file.tell()
            try:
                return _go_on(client, url, file, most_bytes)
            except httpx.TransportError:
                tries = _TRIES_WITHOUT_GAIN if file.tell() > before else tries - 1
                if not tries:
                    raise


def _go_on(client: httpx.Client, url: str, file: BinaryIO, most_bytes: int) -> None:
    """Append the rest of the file."""
    headers = {"Accept-Encoding": "identity"}
    if file.tell():
        headers["Range"] = f"bytes={file.tell()}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the file is complete
        answer.raise_for_status()
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            file.truncate(0)  # the server ignores ranges and sends the whole file
            file.seek(0)
        told = file.tell()
        size = told + int(answer.headers.get("content-length", 0))
        for piece in answer.iter_raw():
            if file.write(piece) and max(file.tell(), size) > most_bytes:
                file.truncate(0)
                raise ValueError(f"it has more than {most_bytes} bytes")
            if file.tell() - told >= _TOLD_EVERY or file.tell() == size:
                told = file.tell()
                print(f"  {told / 1e6:.0f} of {size / 1e6:.0f} MB", file=sys.stderr, flush=True)


def _check_https(request: httpx.Request) -> None:
    if request.url.scheme != "https":
        raise ValueError(f"{request.url} is not https")
