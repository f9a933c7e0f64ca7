"""Does the process grow? Two thousand mixed requests, good and bad, over HTTP."""

import random
import re
from pathlib import Path

import httpx

from bench.photos import jpeg
from bench.report import Table
from bench.servers import ours
from tests.support.photos import encoded

REQUESTS = 2000
_WARM = 200
_API = "/computervision/imageanalysis:segment?api-version=2023-02-01-preview&model-name=u2netp&mode="


def run() -> list[Table]:
    """Resident memory after the first 200 requests and after all."""
    chance = random.Random(2)
    bodies = [
        *(encoded(form, 640, 480) for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF")),
        jpeg(1632, 1224),
        b"no picture",
        encoded("PNG", 300, 400)[:-100],
        encoded("BMP", 40, 40),
    ]
    resident = {}
    with ours() as server:
        for number in range(1, REQUESTS + 1):
            mode = chance.choice(("backgroundRemoval", "foregroundMatting", "bad"))
            _post(server.client, _API + mode, chance.choice(bodies))
            if number in (_WARM, REQUESTS):
                resident[number] = resident_mb(server.pid)
    growth = resident[REQUESTS] / resident[_WARM] - 1
    rows = [[str(number), f"{megabytes:.0f}"] for number, megabytes in resident.items()]
    note = f"{REQUESTS} requests of nine kinds to the embedded host. Growth: **{100 * growth:+.1f} %**."
    return [Table("No growth", note, ("after requests", "resident MB"), rows)]


def _post(client: httpx.Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers={"Content-Type": "application/octet-stream"})
    if response.status_code not in (200, 400):
        response.raise_for_status()


def resident_mb(pid: int) -> float:
    """Resident memory of a process now, in MB (2**20)."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError(f"process {pid} is gone")
    return int(found[1]) / 1024
