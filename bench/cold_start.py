"""From nothing to the first PNG: a fresh process each time, split by step."""

import statistics
import subprocess
import sys
import time

from bench.photos import jpeg
from bench.report import Table
from bench.servers import ours
from tests.support.hosts import PROJECT, environment

_ROUNDS = 5
_PROBE = """
import time
begin = time.perf_counter()
import function_app
imported = time.perf_counter()
networks = function_app.networks
while networks.state == "STARTING":
    time.sleep(0.001)
loaded = time.perf_counter()
assert networks.state == "READY"
print(imported - begin, loaded - imported)
"""


def run() -> list[Table]:
    """Interpreter, imports, what is left of loading the network, and the whole over HTTP."""
    interpreter = statistics.median(_timed(["-c", "pass"]) for _ in range(_ROUNDS))
    peer_imports = statistics.median(
        _timed(["-c", "import numpy, PIL.Image, onnxruntime"]) for _ in range(_ROUNDS)
    )
    imports, loading = zip(*(_probe() for _ in range(_ROUNDS)), strict=True)
    first_png = statistics.median(_first_png() for _ in range(_ROUNDS))
    rows = [
        ["interpreter", f"{interpreter:.2f}"],
        [
            "import of function_app (the network begins to load meanwhile)",
            f"{statistics.median(imports):.2f}",
        ],
        ["until the network is loaded", f"{statistics.median(loading):.2f}"],
        ["process start to first PNG over HTTP, 0.3 megapixels", f"**{first_png:.2f}**"],
        ["for comparison: a process that only imports numpy, Pillow and onnxruntime", f"{peer_imports:.2f}"],
    ]
    note = f"Seconds, median of {_ROUNDS} fresh processes, files in the page cache."
    return [Table("Cold start", note, ("step", "seconds"), rows)]


def _timed(arguments: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, cwd=PROJECT)
    return time.perf_counter() - begin


def _probe() -> tuple[float, float]:
    out = subprocess.run(
        [sys.executable, "-c", _PROBE],
        check=True,
        cwd=PROJECT,
        env=environment({}),
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    imports, loading = out.split()
    return float(imports), float(loading)


def _first_png() -> float:
    photo = jpeg(640, 480)
    begin = time.perf_counter()
    with ours() as server:
        server.cut_out(photo)
        return time.perf_counter() - begin
