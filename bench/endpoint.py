"""Over HTTP against rembg's own server: one caller at four sizes, then two and eight callers at once."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench.photos import MEGAPIXELS, jpeg
from bench.processes import service_mb
from bench.report import Table
from bench.servers import Server, both
from bench.timing import interleaved

_ROUNDS = 5
_IMAGES_PER_CALLER = {2: 6, 8: 3}
_BETWEEN_S = 0.05


def run() -> list[Table]:
    """Latency and throughput, each measured for both servers in turn."""
    with both() as (peer, own):
        latency = [_latency_row(peer, own, name, *size) for name, size in MEGAPIXELS.items()]
        load = [_load_row(peer, own, callers) for callers in _IMAGES_PER_CALLER]
    note = (
        "`backgroundRemoval` over HTTP, both servers running, the same JPEG to each in turn, median of "
        f"{_ROUNDS}. rembg runs U2-Net in float32 from the same weights."
    )
    columns = ("megapixels", "rembg ms", "segment-function ms", "times faster", "PNG size to rembg's")
    load_note = (
        "2 megapixel photos. Spread is the slowest answer divided by the median one. MB are the most of the "
        "server with all its processes, proportional set sizes, sampled during another such load."
    )
    load_columns = (
        "callers", "rembg images/s", "segment-function images/s", "times more", "spread rembg", "spread ours",
        "MB rembg", "MB ours",
    )  # fmt: skip
    return [
        Table("End to end against rembg's server", note, columns, latency),
        Table("Several callers at once", load_note, load_columns, load),
    ]


def _latency_row(peer: Server, own: Server, name: str, width: int, height: int) -> list[str]:
    photo = jpeg(width, height)
    ratio = len(own.cut_out(photo)) / len(peer.cut_out(photo))
    seconds = interleaved({"peer": lambda: peer.cut_out(photo), "own": lambda: own.cut_out(photo)}, _ROUNDS)
    theirs, mine = seconds["peer"], seconds["own"]
    return [name, f"{theirs * 1000:.0f}", f"{mine * 1000:.0f}", f"**{theirs / mine:.1f}**", f"{ratio:.2f}"]


def _load_row(peer: Server, own: Server, callers: int) -> list[str]:
    theirs, their_spread = _throughput(peer, callers)
    mine, my_spread = _throughput(own, callers)
    return [
        str(callers), f"{theirs:.2f}", f"{mine:.2f}", f"**{mine / theirs:.1f}**", f"{their_spread:.1f}",
        f"{my_spread:.1f}", f"{_most_mb(peer, callers):.0f}", f"{_most_mb(own, callers):.0f}",
    ]  # fmt: skip


def _throughput(server: Server, callers: int) -> tuple[float, float]:
    """Images a second, and the slowest answer over the median one."""
    begin = time.perf_counter()
    latencies = _load(server, callers)
    rate = len(latencies) / (time.perf_counter() - begin)
    return rate, max(latencies) / statistics.median(latencies)


def _most_mb(server: Server, callers: int) -> float:
    """The most memory of the server with all its processes, sampled during another load, in MB (2**20)."""
    most = service_mb(server.pid)
    with ThreadPoolExecutor(1) as beside:
        load = beside.submit(_load, server, callers)
        while not load.done():
            most = max(most, service_mb(server.pid))
            time.sleep(_BETWEEN_S)
        load.result()
    return most


def _load(server: Server, callers: int) -> list[float]:
    """Seconds that each picture takes."""
    photo = jpeg(*MEGAPIXELS["2"])
    latencies: list[float] = []

    def caller(_: int) -> None:
        for _ in range(_IMAGES_PER_CALLER[callers]):
            begin = time.perf_counter()
            server.cut_out(photo)
            latencies.append(time.perf_counter() - begin)

    with ThreadPoolExecutor(callers) as threads:
        list(threads.map(caller, range(callers)))
    return latencies
