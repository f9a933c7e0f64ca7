"""Settings of a host with the small network, and folders of pictures to send to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.hosts import KEYS, free_port
from tests.support.loopback import QuietHandler, listening
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded

IMAGE_PORT = free_port()
"""Where a test may serve pictures that the host fetches by URL."""

SETTINGS = {
    "SEGMENT_API_KEYS": ",".join(KEYS),
    "SEGMENT_MODEL": "u2netp",
    "SEGMENT_SLOT_WAIT_S": str(PATIENCE_S),
    "SEGMENT_STALL_S": str(PATIENCE_S),
    "SEGMENT_URL_ALLOWED_NETWORKS": "127.0.0.0/8",
    "SEGMENT_URL_ALLOWED_PORTS": str(IMAGE_PORT),
}


@dataclass(frozen=True)
class Pictures:
    """A folder, and which of its files are pictures, by their sizes in pixels, and which are not."""

    folder: Path
    good: dict[Path, tuple[int, int]]
    broken: tuple[Path, ...]


def make_pictures(folder: Path, count: int) -> Pictures:
    """`count` small pictures, no two alike, in folders of folders; every tenth is broken."""
    good: dict[Path, tuple[int, int]] = {}
    broken: list[Path] = []
    for number in range(count):
        path = folder / f"{number % 3}" / f"{number % 2}" / f"{number}.{('jpg', 'png')[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 10 == 5:
            path.write_bytes(f"no picture {number}".encode())
            broken.append(path)
        else:
            good[path] = (60 + number, 55)
            path.write_bytes(encoded(("JPEG", "PNG")[number % 2], *good[path]))
    return Pictures(folder, good, tuple(broken))


@contextmanager
def picture_by_url(picture: bytes) -> Iterator[str]:
    """The URL of a picture, where the host may fetch it."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

    with listening(Handler, IMAGE_PORT) as address:
        yield f"{address}/photo.jpg"
