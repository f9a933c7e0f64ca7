"""How long a caller waits, and what he is answered, while another one has 50 calls open."""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from tests.functions_host import find_host, functions_host
from tests.support.hosts import Host, embedded_host
from tests.support.two_callers import (
    GREEDY_CALLS,
    SETTINGS,
    Reply,
    one_after_the_other,
    polite_beside_greedy,
    slowest,
)

_COUNT = 20
_SMALL, _LARGE = "0.3", "12"


def run() -> list[Table]:
    """On each host with one slot, as the smallest instance has, and with one for each core."""
    hosts = {"embedded host": embedded_host} | ({"Functions host": functions_host} if find_host() else {})
    rows = []
    for name, start in hosts.items():
        for slots in ("1", "0"):
            with TemporaryDirectory() as folder:
                log = Path(folder) / "log.txt"
                rows.append(_row(name, slots, start(log, SETTINGS | {"SEGMENT_SLOTS": slots})))
    columns = (
        "host",
        "slots",
        "alone: median s",
        "slowest s",
        "beside: median s",
        "slowest s",
        "answers",
        "the other's",
    )
    note = (
        f"One caller sends {_COUNT} photos of {_SMALL} megapixels, one after the other: alone, and beside a "
        f"caller with {GREEDY_CALLS} open calls of {_LARGE} megapixels, who sends again at once, whatever he "
        "is answered. Slots: 0 is one for each core."
    )
    return [Table("A greedy caller", note, columns, rows)]


def _row(name: str, slots: str, running: AbstractContextManager[Host]) -> list[str]:
    small, large = jpeg(*MEGAPIXELS[_SMALL]), jpeg(*MEGAPIXELS[_LARGE])
    with running as host:
        one_after_the_other(host.url, small, 3)  # so that it is warm
        alone = one_after_the_other(host.url, small, _COUNT)
        beside, greedy = polite_beside_greedy(host.url, small, _COUNT, large)
    row = [name, slots, *_seconds(alone), *_seconds(beside)]
    row += [_statuses(Counter(reply.status for reply in beside)), _statuses(greedy)]
    print(row, flush=True)
    return row


def _seconds(replies: Sequence[Reply]) -> list[str]:
    return [f"{statistics.median(reply.seconds for reply in replies):.2f}", f"{slowest(replies):.2f}"]


def _statuses(found: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(found.items()))
