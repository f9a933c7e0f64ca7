"""What changes a whole process is tried in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared_code.process import cores, told_on_console
from tests.support.hosts import PROJECT, environment
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

RESIDENT = """
import re
from pathlib import Path

def resident_mb():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
"""
HOLES = """
from shared_code.process import give_back_memory, tune_process

tune_process()
blocks = [bytes(1 << 18) + b"x" for _ in range(400)]
before = resident_mb()
del blocks[1::2]
last = blocks[-1]
give_back_memory()
print(before - resident_mb())
"""
AT_WORK_AND_AT_REST = """
import asyncio, threading
from shared_code import engine as engines
from shared_code.engine import Engine
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore
from shared_code.modes import Mode
from shared_code.process import tune_process
from shared_code.settings import load_settings
from tests.support.photos import encoded
from tests.support.rooms import rooms
from tests.support.visits import new_visit

give_back, given = engines._give_back_free_memory, threading.Event()

def giving_back(networks):
    give_back(networks)
    given.set()

engines._give_back_free_memory = giving_back

async def rested_mb():
    given.clear()
    assert await asyncio.to_thread(given.wait, 60)
    return resident_mb()

async def pictures(engine, count):
    for _ in range(count):
        stream = await engine.cut_out(encoded("JPEG", 400, 300), Mode.BACKGROUND_REMOVAL, new_visit(engine))
        [piece async for piece in stream]
        stream.close()

async def scene():
    engines._REST_S = 0.2
    engine = Engine(load_settings({}), NetworkStore(read_catalogue(), "u2net", kept=2, threads=2), rooms())
    await engine.networks.get(None)
    await pictures(engine, 1)
    rested = await rested_mb()
    engines._REST_S = 60
    await pictures(engine, 4)
    at_work = resident_mb()
    engines._REST_S = 0.2
    await pictures(engine, 4)
    print(rested, at_work, await rested_mb())

tune_process()
asyncio.run(scene())
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
PRODUCTS = """
from shared_code.process import tune_process
from threadpoolctl import threadpool_info

tune_process()
import numpy

print([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"])
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
    assert int(output(RESIDENT + HOLES)) > 25


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from /proc")
def test_activations_are_kept_between_pictures_and_given_back_at_rest() -> None:
    rested, at_work, rested_again = map(int, output(RESIDENT + AT_WORK_AND_AT_REST).split())
    assert at_work > rested + 50
    assert rested_again < rested + 10


def test_pillow_does_not_warn_of_odd_pictures() -> None:
    assert output(WARNINGS) == "told"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say")
def test_all_cores_count() -> None:
    assert cores() == len(os.sched_getaffinity(0))


def test_why_the_app_cannot_start_is_one_line_of_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no key"), told_on_console():
        raise ValueError("no key")
    assert capsys.readouterr().err == "the app cannot start: ValueError: no key\n"


def test_products_are_not_shared_out_among_threads() -> None:
    """They would be rounded otherwise, whichever module is imported first."""
    assert output(PRODUCTS) == "[1]"


def test_a_process_without_a_network_ends(tmp_path: Path) -> None:
    """The platform starts another; it would be of no use that this one went on."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_NETWORK, str(tmp_path)],
        cwd=PROJECT,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert done.stderr.count("network u2netp not loaded") == 3
    assert "network u2netp cannot be loaded" in done.stderr
