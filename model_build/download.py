"""One file from a public address: https all the way, no larger than it may be, with progress.

What breaks off goes on where it stopped, at once or when it is asked for again.
"""

import sys
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import httpx

from model_build.errors import FetchError

MOST_BYTES = 2 << 30
"""No ONNX file in one piece can be larger: protobuf ends there."""
_TIMEOUT_S = 30
_TOLD_EVERY = 32 << 20
_TRIES_WITHOUT_GAIN = 2


def download(url: str, target: Path, most_bytes: int = MOST_BYTES) -> None:
    """Write what the address answers to `target`; shows progress on standard error.

    What `target` holds already is taken for the beginning of it, and stays when the fetch fails: whether the
    whole is the right file is for the caller to check. Redirects are followed as long as they lead to https.
    Raises FetchError.
    """
    client = httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S, event_hooks={"request": [_check_https]})
    failed = 0
    with client, target.open("ab") as file:
        while True:
            before = file.tell()
            try:
                return _go_on(client, url, file, most_bytes)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                gained = file.tell() > before and isinstance(error, httpx.TransportError)
                failed = 0 if gained else failed + 1
                if failed == _TRIES_WITHOUT_GAIN or not isinstance(error, httpx.TransportError):
                    said = error or type(error).__name__
                    raise FetchError(f"{url} could not be downloaded: {said}") from error


def _go_on(client: httpx.Client, url: str, file: BinaryIO, most_bytes: int) -> None:
    """Fetch what is missing behind what `file` holds."""
    headers = {"Accept-Encoding": "identity"}
    if file.tell():
        headers["Range"] = f"bytes={file.tell()}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # there is nothing behind it
        answer.raise_for_status()
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            file.truncate(0)  # a server that does not know ranges begins anew
            file.seek(0)
        told = file.tell()
        declared = told + int(answer.headers.get("content-length", 0))
        if declared > most_bytes:
            raise FetchError(f"{url} has {declared} bytes, more than {most_bytes}")
        for piece in answer.iter_raw():
            file.write(piece)
            if file.tell() > most_bytes:
                file.truncate(0)
                raise FetchError(f"{url} has more than {most_bytes} bytes")
            if file.tell() - told >= _TOLD_EVERY or file.tell() == declared:
                told = file.tell()
                print(f"  {told / 1e6:.0f} of {declared / 1e6:.0f} MB", file=sys.stderr, flush=True)


def _check_https(request: httpx.Request) -> None:
    if request.url.scheme != "https":
        raise FetchError(f"{request.url} is not https")
