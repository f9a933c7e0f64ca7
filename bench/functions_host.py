"""What the Functions host costs: the same app on it and on the embedded host, in turn and under load."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from bench.servers import Server, ours, ours_on_functions_host
from bench.timing import interleaved
from tests.functions_host import HOW_TO_GET_ONE, find_host

_ROUNDS = 9
_CALLERS = 8
_LOAD_ROUNDS = 5
_SIZES = ("0.3", "12")


def run() -> list[Table]:
    """One caller, then eight at once, at two sizes; nothing where there is no host."""
    if find_host() is None:
        print(HOW_TO_GET_ONE)
        return []
    with ours() as embedded, ours_on_functions_host() as hosted:
        rows = [_latency_row(embedded, hosted, size) for size in _SIZES]
        rows += [_load_row(embedded, hosted, size) for size in _SIZES]
    note = (
        "Both hosts running, the same JPEG to each in turn over HTTP, `backgroundRemoval`. One caller: one "
        f"picture, median of {_ROUNDS}. {_CALLERS} callers at once: until all have their picture, median of "
        f"{_LOAD_ROUNDS}."
    )
    columns = ("callers", "megapixels", "embedded host ms", "Functions host ms", "ratio")
    return [Table("What the Functions host costs", note, columns, rows)]


def _latency_row(embedded: Server, hosted: Server, size: str) -> list[str]:
    photo = jpeg(*MEGAPIXELS[size])
    contestants = {"embedded": lambda: embedded.cut_out(photo), "hosted": lambda: hosted.cut_out(photo)}
    return _row("1", size, interleaved(contestants, _ROUNDS))


def _load_row(embedded: Server, hosted: Server, size: str) -> list[str]:
    photo = jpeg(*MEGAPIXELS[size])
    with ThreadPoolExecutor(_CALLERS) as callers:

        def all_at_once(server: Server) -> None:
            list(callers.map(server.cut_out, [photo] * _CALLERS))

        contestants = {"embedded": lambda: all_at_once(embedded), "hosted": lambda: all_at_once(hosted)}
        return _row(str(_CALLERS), size, interleaved(contestants, _LOAD_ROUNDS))


def _row(callers: str, size: str, seconds: Mapping[str, float]) -> list[str]:
    embedded_ms, hosted_ms = seconds["embedded"] * 1000, seconds["hosted"] * 1000
    ratio = f"**{hosted_ms / embedded_ms:.2f}**"
    return [callers, size, f"{embedded_ms:.0f}", f"{hosted_ms:.0f}", ratio]
