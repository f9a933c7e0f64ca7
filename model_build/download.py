"""One file from a public address: https all the way, no larger than it may be, with progress."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from model_build.errors import FetchError

MOST_BYTES = 2 << 30
"""No ONNX file in one piece can be larger: protobuf ends there."""
_TIMEOUT_S = 30
_TOLD_EVERY = 32 << 20


def download(url: str, target: Path, most_bytes: int = MOST_BYTES) -> None:
    """Write what the address answers to `target`; shows progress on standard error.

    Redirects are followed as long as they lead to https. Raises FetchError.
    """
    client = httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S, event_hooks={"request": [_check_https]})
    try:
        with client, client.stream("GET", url) as answer, target.open("wb") as file:
            answer.raise_for_status()
            declared = int(answer.headers.get("content-length", 0))
            if declared > most_bytes:
                raise FetchError(f"{url} has {declared} bytes, more than {most_bytes}")
            for piece in _told(answer.iter_bytes(), declared):
                file.write(piece)
                if file.tell() > most_bytes:
                    raise FetchError(f"{url} has more than {most_bytes} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FetchError(f"{url} could not be downloaded: {error or type(error).__name__}") from error


def _check_https(request: httpx.Request) -> None:
    if request.url.scheme != "https":
        raise FetchError(f"{request.url} is not https")


def _told(pieces: Iterator[bytes], declared: int) -> Iterator[bytes]:
    done = told = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        if done - told >= _TOLD_EVERY or done == declared:
            told = done
            print(f"  {done / 1e6:.0f} of {declared / 1e6:.0f} MB", file=sys.stderr, flush=True)
