"""The highest resident memory of a whole process, network included, for one picture."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.giants import GIANTS
from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from tests.support.hosts import PROJECT, environment

MODES = ("backgroundRemoval", "foregroundMatting")
_PROBE = """
import asyncio, resource, sys
from pathlib import Path
from shared_code.errors import SegmentError
from shared_code.pipeline import Mode
from shared_code.process import engine
async def main():
    engine.start()
    data = Path(sys.argv[1]).read_bytes()
    outcome = "PNG"
    try:
        async for _ in await engine.cut_out(data, Mode(sys.argv[2])):
            pass
    except SegmentError as error:
        outcome = error.id
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, outcome)
asyncio.run(main())
"""


def peak(picture: Path, mode: str) -> tuple[int, str]:
    """Peak resident memory in MB (2**20) of a fresh process that cuts out `picture`, and what came of it."""
    out = subprocess.run(
        [sys.executable, "-c", _PROBE, str(picture), mode],
        check=True,
        cwd=PROJECT,
        env=environment({}),
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    megabytes, outcome = out.split()
    return int(megabytes), outcome


def run() -> list[Table]:
    """Ordinary photos and the worst that are allowed, in both modes."""
    pictures = {f"{name} megapixel JPEG": lambda size=size: jpeg(*size) for name, size in MEGAPIXELS.items()}
    rows = []
    with TemporaryDirectory() as folder:
        for name, make in (pictures | GIANTS).items():
            path = Path(folder) / "picture"
            path.write_bytes(make())
            peaks = [peak(path, mode) for mode in MODES]
            cells = [f"{megabytes} ({outcome})" for megabytes, outcome in peaks]
            rows.append([name, f"{path.stat().st_size / 2**20:.1f}", *cells])
    note = (
        "Peak resident MB of the process, interpreter and network included, at the default budget. "
        "Giants are 16 000 x 16 000 unless named otherwise; E-MEMORY is the documented refusal."
    )
    return [Table("Memory", note, ("picture", "file MB", *MODES), rows)]
