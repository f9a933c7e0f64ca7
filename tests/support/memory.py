"""The highest resident memory of a whole process, network included, for one picture."""

import subprocess
import sys
from pathlib import Path

from tests.support.hosts import PROJECT, environment

MODES = ("backgroundRemoval", "foregroundMatting")
_PROBE = """
import asyncio, re, sys
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
    # Not getrusage: its maximum begins with the parent's.
    status = Path("/proc/self/status").read_text()
    print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024, outcome)
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
