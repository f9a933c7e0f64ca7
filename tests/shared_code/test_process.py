"""What changes a whole process is tried in one of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hosts import PROJECT, environment

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
WITHOUT_A_NETWORK = """
import logging, sys, time
from pathlib import Path
from shared_code.matte import networks
from shared_code.matte.built import Catalogue, read_catalogue
from shared_code.process import end_process
logging.basicConfig()
networks.RETRY_AFTER_S = (0, 0)
catalogue = Catalogue(Path(sys.argv[1]), "u2netp", read_catalogue().networks)
networks.NetworkStore(catalogue, "", 2, 1, given_up=end_process).preload()
time.sleep(600)
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


def test_a_process_without_a_network_ends(tmp_path: Path) -> None:
    """The platform starts another; it would be of no use that this one went on."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_NETWORK, str(tmp_path)],
        cwd=PROJECT,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.count("network u2netp not loaded") == 3
    assert "network u2netp cannot be loaded" in done.stderr
