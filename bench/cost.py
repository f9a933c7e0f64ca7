"""What 1000 pictures cost on Flex Consumption, from what was measured; the tables go to docs/deploy.md.

The prices are list prices in US dollars as third parties quote them; Microsoft's pages have a region's own.
"""

import math
import re
from pathlib import Path

from bench import answer_formats
from bench.report import Table
from shared_code.matte.built import Catalogue, read_catalogue
from shared_code.matte.capacity import CORE_MB, needed_mb, smallest_instance_mb
from tests.support.hosts import PROJECT

DOLLARS_PER_GB_S = 0.000026
DOLLARS_PER_EXECUTION = 0.0000004
LEAST_S = 1.0
DOLLARS_PER_GB_OUT = 0.087
"""To the internet, after the first 100 GB of a month."""
DOLLARS_PER_GB_MONTH = 0.0184
"""Of hot, locally redundant blob storage."""
DOLLARS_PER_GB_LOGGED = 2.30
"""Taken in by Log Analytics, after the first 5 GB of a month."""
IDLE_KB_A_MINUTE, KB_A_PICTURE = 9.7, 2.4
"""Sent to Application Insights with one trace in ten; `make rehearse` measures both and shows them."""
_MEASURED = PROJECT / "docs" / "performance.md"
_PAGE = PROJECT / "docs" / "deploy.md"
_TITLE = "Cost of 1000 pictures"
_NOTE = (
    "Written by `make bench` from the [stages](performance.md#stage-by-stage) of `backgroundRemoval`. On one "
    "core the network takes twice the time it takes on two; the other steps are counted as if one core did "
    "them all. A call is billed for at least 1 s, then in steps of 100 ms. Beside computing stand "
    "[telemetry](#cost-of-telemetry) and the [egress](#cost-of-the-bytes-of-1000-pictures) of answers in PNG "
    "to the internet, before what is free."
)
_COLUMNS = ("megapixels", "s, 1 core", "2048 MB", "s, 2 cores", "4096 MB", "telemetry", "egress of PNG")

_BYTES_TITLE = "Cost of the bytes of 1000 pictures"
_BYTES_NOTE = (
    "Written by `make bench` from [formats of the answer](performance.md#formats-of-the-answer). Egress is "
    f"${DOLLARS_PER_GB_OUT} per GB after 100 GB a month, and free within an Azure region. Storage is "
    f"${DOLLARS_PER_GB_MONTH} per GB and month, hot and locally redundant, for outputs of the blob edge; "
    "uploads that are kept cost the same per GB."
)
_NETWORKS_PAGE = PROJECT / "docs" / "models.md"
_NETWORKS_TITLE = "What each network takes"
_NETWORKS_NOTE = (
    "Written by `make bench` from what `make model` has measured of the networks it has built. MB are what a "
    "process takes more with the network, with one run at a time and with two; the size is the smallest "
    "instance of Flex Consumption that has room for one run, and the dollars are for 1000 pictures of 2 "
    "megapixels there, each seen once by the network."
)

_TELEMETRY_TITLE = "Cost of telemetry"
_TELEMETRY_NOTE = (
    "Written by `make bench` from what `make rehearse` has measured and shows; it fails above 30 kB and 5 "
    f"kB. A GB taken in is ${DOLLARS_PER_GB_LOGGED:.2f}, and the first 5 GB a month are free."
)
_BYTES_COLUMNS = ("megapixels", "format", "GB", "egress", "storage, a month")


def dollars(seconds: float, gigabytes: int) -> float:
    """For 1000 executions of so many seconds on an instance of that size, before the free grant."""
    billed_s = max(LEAST_S, math.ceil(seconds * 10 - 1e-9) / 10)
    return 1000 * (billed_s * gigabytes * DOLLARS_PER_GB_S + DOLLARS_PER_EXECUTION)


def table(performance: str) -> Table:
    """One row for each size of picture in docs/performance.md."""
    logged = f"${1000 * KB_A_PICTURE / 1e6 * DOLLARS_PER_GB_LOGGED:.3f}"
    egress = {
        megapixels: cost for megapixels, name, _, cost, _ in bytes_table(performance).rows if name == "png"
    }
    rows = []
    for by_name in _stages(performance):
        on_two_s = _milliseconds(by_name["sum"]) / 1000
        on_one_s = on_two_s + _milliseconds(by_name["network"]) / 1000
        rows.append(
            [
                by_name["megapixels"],
                *(f"{on_one_s:.2f}", f"${dollars(on_one_s, 2):.3f}"),
                *(f"{on_two_s:.2f}", f"${dollars(on_two_s, 4):.3f}"),
                *(logged, egress[by_name["megapixels"]]),
            ]
        )
    return Table(_TITLE, _NOTE, _COLUMNS, rows)


def telemetry_table() -> Table:
    """What is sent to Application Insights, and the most that may be."""
    day = IDLE_KB_A_MINUTE * 60 * 24 / 1e6 * DOLLARS_PER_GB_LOGGED
    thousand = 1000 * KB_A_PICTURE / 1e6 * DOLLARS_PER_GB_LOGGED
    month = 30 * DOLLARS_PER_GB_LOGGED
    rows = [
        ["an instance at rest", f"{IDLE_KB_A_MINUTE} kB a minute", f"${day:.2f} a day that it is kept ready"],
        ["a picture, one in ten traced", f"{KB_A_PICTURE} kB", f"${thousand:.3f} for 1000"],
        ["each GB of `logDailyCapGb`", "1 GB a day at most", f"at most ${month:.0f} in a month of 30 days"],
    ]
    return Table(_TELEMETRY_TITLE, _TELEMETRY_NOTE, ("what", "sends", "costs"), rows)


def networks_table(performance: str, catalogue: Catalogue) -> Table:
    """What each network takes that the builder has measured, and what pictures cost with it."""
    (rest_s,) = (
        (_milliseconds(row["sum"]) - _milliseconds(row["network"])) / 1000
        for row in _stages(performance)
        if row["megapixels"] == "2"
    )
    rows = []
    for name, built in catalogue.networks.items():
        if built.cost is None:
            continue
        size_mb = smallest_instance_mb(catalogue, name)
        takes = (f"{built.cost.seconds:.2f}", f"{built.cost.one_run_mb}", f"{built.cost.two_runs_mb}")
        if size_mb is None:
            rows.append([name, *takes, f"needs {needed_mb(catalogue, name)} MB", "in a container"])
            continue
        seconds = rest_s + built.cost.seconds / (size_mb // CORE_MB)
        rows.append([name, *takes, f"{size_mb} MB", f"${dollars(seconds, size_mb // 1024):.3f}"])
    columns = ("network", "s on one core", "MB", "MB, two runs", "instance", "1000 pictures")
    return Table(_NETWORKS_TITLE, _NETWORKS_NOTE, columns, rows)


def bytes_table(performance: str) -> Table:
    """What the bytes of 1000 answers cost, for each size and format in docs/performance.md."""
    section = performance.partition(f"\n## {answer_formats.TITLE}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    rows = []
    for megapixels, name, megabytes, *_ in lines[2:]:
        gigabytes = float(megabytes)  # of 1000 answers
        prices = (gigabytes * DOLLARS_PER_GB_OUT, gigabytes * DOLLARS_PER_GB_MONTH)
        rows.append([megapixels, name, megabytes, *(f"${price:.3f}" for price in prices)])
    return Table(_BYTES_TITLE, _BYTES_NOTE, _BYTES_COLUMNS, rows)


def write() -> None:
    """Put the tables in place of those that stand in docs/deploy.md and docs/models.md."""
    performance = _MEASURED.read_text()
    for new in (table(performance), bytes_table(performance), telemetry_table()):
        _replace(_PAGE, new)
    _replace(_NETWORKS_PAGE, networks_table(performance, read_catalogue()))


def _replace(path: Path, new: Table) -> None:
    before, _, after = path.read_text().partition(f"### {new.title}\n")
    rest = re.search(r"\n#|\Z", after)
    path.write_text(before + new.markdown().replace("## ", "### ", 1) + after[rest.start() if rest else 0 :])


def _stages(performance: str) -> list[dict[str, str]]:
    """The rows of the table of stages, cells by column."""
    section = performance.partition("\n## Stage by stage\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    columns, _, *measured = lines
    return [dict(zip(columns, cells, strict=True)) for cells in measured]


def _milliseconds(cell: str) -> float:
    return float(cell.partition(" ")[0])


if __name__ == "__main__":
    write()
