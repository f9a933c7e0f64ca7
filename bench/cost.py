"""What 1000 pictures cost on Flex Consumption, from the measured stages; the table goes to docs/deploy.md."""

import math
import re

from bench.report import Table
from tests.support.hosts import PROJECT

DOLLARS_PER_GB_S = 0.000026
DOLLARS_PER_EXECUTION = 0.0000004
LEAST_S = 1.0
_MEASURED = PROJECT / "docs" / "performance.md"
_PAGE = PROJECT / "docs" / "deploy.md"
_TITLE = "Cost of 1000 pictures"
_NOTE = (
    "Written by `make bench` from the [stages](performance.md#stage-by-stage) of `backgroundRemoval`. On one "
    "core the network takes twice the time it takes on two; the other steps are counted as if one core did "
    "them all. A call is billed for at least 1 s, then in steps of 100 ms."
)


def dollars(seconds: float, gigabytes: int) -> float:
    """For 1000 executions of so many seconds on an instance of that size, before the free grant."""
    billed_s = max(LEAST_S, math.ceil(seconds * 10 - 1e-9) / 10)
    return 1000 * (billed_s * gigabytes * DOLLARS_PER_GB_S + DOLLARS_PER_EXECUTION)


def table(performance: str) -> Table:
    """One row for each size of picture in docs/performance.md."""
    section = performance.partition("\n## Stage by stage\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    columns, _, *measured = lines
    rows = []
    for cells in measured:
        by_name = dict(zip(columns, cells, strict=True))
        on_two_s = _milliseconds(by_name["sum"]) / 1000
        on_one_s = on_two_s + _milliseconds(by_name["network"]) / 1000
        rows.append(
            [
                by_name["megapixels"],
                *(f"{on_one_s:.2f}", f"${dollars(on_one_s, 2):.3f}"),
                *(f"{on_two_s:.2f}", f"${dollars(on_two_s, 4):.3f}"),
            ]
        )
    return Table(_TITLE, _NOTE, ("megapixels", "s, 1 core", "2048 MB", "s, 2 cores", "4096 MB"), rows)


def write() -> None:
    """Put the table in place of the one that stands in docs/deploy.md."""
    page = _PAGE.read_text()
    new = table(_MEASURED.read_text()).markdown().replace("## ", "### ", 1)
    _PAGE.write_text(re.sub(rf"### {_TITLE}\n.*?(?=\n#|\Z)", lambda _: new, page, flags=re.DOTALL))


def _milliseconds(cell: str) -> float:
    return float(cell.partition(" ")[0])


if __name__ == "__main__":
    write()
