"""`python -m bench [NAME ...]`: run all benchmarks, or some; their tables go to docs/performance.md."""

import sys
import time

from bench import (
    answer_formats,
    callers,
    cold_start,
    cost,
    deployed,
    endpoint,
    functions_host,
    growth,
    hostile,
    image_path,
    instance,
    leaving,
    limits,
    memory,
    png_filters,
    stages,
    survival,
)
from bench.report import machine
from tests.support.hosts import PROJECT

_ALL = (
    limits,
    image_path,
    stages,
    answer_formats,
    png_filters,
    cold_start,
    deployed,
    endpoint,
    functions_host,
    memory,
    instance,
    growth,
    hostile,
    survival,
    leaving,
    callers,
)
_PAGE = PROJECT / "docs" / "performance.md"
_HEAD = """# Performance

Written by `make bench`; do not edit. Machines are noisy and differ, so compare the
ratios: for each, the programs took turns in one run.

The newest tables are of {date}: {machine}.
Others may be of another machine.

"""


def main(names: list[str]) -> None:
    """The named benchmarks in turn, or all. Tables of other benchmarks stay as they are."""
    head = _HEAD.format(date=time.strftime("%Y-%m-%d"), machine=machine())
    sections = _sections(_PAGE.read_text()) if names else {}
    for benchmark in _ALL:
        if names and benchmark.__name__.removeprefix("bench.") not in names:
            continue
        for table in benchmark.run():
            print(table.markdown(), flush=True)
            sections[table.title] = table.markdown()
            _PAGE.write_text(head + "\n".join(sections.values()))
    cost.write()


def _sections(page: str) -> dict[str, str]:
    """The tables of a page by title."""
    parts = page.split("\n## ")[1:]
    return {part.split("\n", 1)[0]: f"## {part.rstrip()}\n" for part in parts}


if __name__ == "__main__":
    main(sys.argv[1:])
