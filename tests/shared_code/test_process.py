"""What changes a whole process is tried in one of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hosts import PROJECT

HOLES = """
import re
from pathlib import Path
from shared_code.process import give_back_memory, tune_process

def resident_mb():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

tune_process()
blocks = [bytes(1 << 18) + b"x" for _ in range(400)]
before = resident_mb()
del blocks[1::2]
last = blocks[-1]
give_back_memory()
print(before - resident_mb())
"""
WARNINGS = """
import warnings
from shared_code.process import tune_process

warnings.simplefilter("error")
tune_process()
warnings.warn_explicit("odd picture", UserWarning, "file", 1, module="PIL.TiffImagePlugin")
try:
    warnings.warn_explicit("anything else", UserWarning, "file", 1, module="shared_code.engine")
except UserWarning:
    print("told")
"""


def output(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from /proc")
def test_holes_between_live_blocks_are_given_back() -> None:
    assert int(output(HOLES)) > 25


def test_pillow_does_not_warn_of_odd_pictures() -> None:
    assert output(WARNINGS) == "told"
