"""Whatever a blob holds, the event loop does nothing for long."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from azure.storage.blob import ContentSettings

from tests.cutout_function.cloud import Cloud, new_cloud
from tests.support.heartbeat import longest_ms
from tests.support.hosts import watched_host
from tests.support.measuring import least
from tests.support.patience import wait_for
from tests.support.photos import encoded

MOST_MS = 50


@pytest.fixture(scope="module")
def watched(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Path]]:
    """An account whose queue a host drains, and what the host's loop does for long."""
    cloud = new_cloud(emulator)
    folder = tmp_path_factory.mktemp("heartbeat")
    log = folder / "beats.txt"
    log.write_text("")
    settings = {**cloud.environment, "SEGMENT_MODEL": "u2netp"}
    with watched_host(folder / "log.txt", log, settings):
        yield cloud, log


BLOBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "members": ("gzip", lambda: gzip.compress(b"") * 1024),
    "a bomb": ("gzip", lambda: gzip.compress(bytes(300 << 20))),
    "packed": ("gzip", lambda: gzip.compress(bytes(range(256)) * 80_000, 1)),
    "bare deflate": ("deflate", lambda: zlib.compress(bytes(20 << 20), wbits=-zlib.MAX_WBITS)),
    "much": ("", lambda: bytes(20 << 20)),
    "a picture": ("", lambda: encoded("BMP", 2000, 1500)),
}
"""Content codings, and what makes the bytes."""


@pytest.mark.parametrize("name", BLOBS)
def test_blobs(watched: tuple[Cloud, Path], name: str) -> None:
    cloud, log = watched
    coding, make = BLOBS[name]
    content, settings = make(), ContentSettings(content_encoding=coding)
    names = (f"{name} {number}" for number in count())

    def once_ms() -> float:
        blob = cloud.uploader.upload(next(names), b"")
        log.write_text("")
        cloud.inputs.upload_blob(blob.name, content, overwrite=True, content_settings=settings)
        cloud.uploader.announce(blob)
        wait_for(lambda: list(cloud.outputs.list_blob_names(name_starts_with=blob.name)))
        return longest_ms(log)

    assert least(once_ms, MOST_MS) < MOST_MS
