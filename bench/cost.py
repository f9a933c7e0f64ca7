"""What 1000 pictures cost on Flex Consumption, from the measured stages; the table goes to docs/deploy.md."""

import math
import re

from bench import answer_formats
from bench.report import Table
from tests.support.hosts import PROJECT

DOLLARS_PER_GB_S = 0.000026
DOLLARS_PER_EXECUTION = 0.0000004
LEAST_S = 1.0
DOLLARS_PER_GB_OUT = 0.087
"""To the internet, after the first 100 GB of a month."""
DOLLARS_PER_GB_MONTH = 0.0184
"""Of hot, locally redundant blob storage."""
_MEASURED = PROJECT / "docs" / "performance.md"
_PAGE = PROJECT / "docs" / "deploy.md"
_TITLE = "Cost of 1000 pictures"
_NOTE = (
    "Written by `make bench` from the [stages](performance.md#stage-by-stage) of `backgroundRemoval`. On one "
    "core the network takes twice the time it takes on two; the other steps are counted as if one core did "
    "them all. A call is billed for at least 1 s, then in steps of 100 ms."
)

_BYTES_TITLE = "Cost of the bytes of 1000 pictures"
_BYTES_NOTE = (
    "Written by `make bench` from [formats of the answer](performance.md#formats-of-the-answer). Egress is "
    f"${DOLLARS_PER_GB_OUT} per GB after 100 GB a month, and free within an Azure region. Storage is "
    f"${DOLLARS_PER_GB_MONTH} per GB and month, hot and locally redundant, for outputs of the blob edge; "
    "uploads that are kept cost the same per GB."
)
_BYTES_COLUMNS = ("megapixels", "format", "GB", "egress", "storage, a month")


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


def bytes_table(performance: str) -> Table:
    """What the bytes of 1000 answers cost, for each size and format in docs/performance.md."""
    section = performance.partition(f"\n## {answer_formats.TITLE}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    rows = []
    for megapixels, name, megabytes, *_ in lines[2:]:
        gigabytes = float(megabytes)  # of 1000 answers
        prices = (gigabytes * DOLLARS_PER_GB_OUT, gigabytes * DOLLARS_PER_GB_MONTH)
        rows.append([megapixels, name, megabytes, *(f"${price:.3f}" for price in prices)])
    return Table(
        _BYTES_TITLE, _BYTES_NOTE, ("megapixels", "format", "GB", "egress", "storage, a month"), rows
    )


def write() -> None:
    """Put the tables in place of those that stand in docs/deploy.md."""
    page, performance = _PAGE.read_text(), _MEASURED.read_text()
    for new in (table(performance), bytes_table(performance)):
        before, _, after = page.partition(f"### {new.title}\n")
        rest = re.search(r"\n#|\Z", after)
        page = before + new.markdown().replace("## ", "### ", 1) + after[rest.start() if rest else 0 :]
    _PAGE.write_text(page)


def _milliseconds(cell: str) -> float:
    return float(cell.partition(" ")[0])


if __name__ == "__main__":
    write()
