"""`python -m bench [NAME ...]`: run benchmarks, print their tables and write them to docs/performance.md."""

import sys
import time

from bench import cold_start, endpoint, growth, image_path, limits, memory, stages
from bench.report import machine
from tests.support.hosts import PROJECT

_HEAD = """# Performance

Written by `make bench`; do not edit. Machines are noisy and differ: believe the ratios, each of
which comes from one run in which the contestants took turns.

Measured on {date}: {machine}.
"""


def main(names: list[str]) -> None:
    """The named benchmarks in turn, or all."""
    sections = [_HEAD.format(date=time.strftime("%Y-%m-%d"), machine=machine())]
    for benchmark in (limits, image_path, stages, cold_start, endpoint, memory, growth):
        if names and benchmark.__name__.removeprefix("bench.") not in names:
            continue
        for table in benchmark.run():
            print(table.markdown(), flush=True)
            sections.append(table.markdown())
            (PROJECT / "docs" / "performance.md").write_text("\n".join(sections))


if __name__ == "__main__":
    main(sys.argv[1:])
