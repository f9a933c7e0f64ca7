"""What a built network takes in memory and time, measured in processes that run it as the service does."""

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from model_build.errors import GraphError
from shared_code.matte.built import BuiltNetwork, Cost


def measured(built: BuiltNetwork, model: Path) -> Cost | None:
    """What it takes; None where the system does not tell a process its peak.

    Raises GraphError when a process that runs it is killed.
    """
    if not sys.platform.startswith(("linux", "darwin")):
        return None
    one_run_mb, seconds = _in_a_process(built, model, 1)
    two_runs_mb, _ = _in_a_process(built, model, 2)
    return Cost(one_run_mb, two_runs_mb, round(seconds, 3))


def _in_a_process(built: BuiltNetwork, model: Path, runs: int) -> tuple[int, float]:
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, spawn) as process:
            return process.submit(_take, built, model, runs).result()
    except BrokenProcessPool as error:
        raise GraphError(
            f"{built.name}: the process that ran it was killed; it may need more memory"
        ) from error


def _take(built: BuiltNetwork, model: Path, runs: int) -> tuple[int, float]:
    """Peak memory in MiB of as many runs at once, and the processor's seconds for one, once all is warm."""
    import numpy as np
    import onnxruntime  # noqa: F401 - the library itself is every network's

    from shared_code.matte.network import OnnxNetwork
    from shared_code.process import tune_process

    tune_process()
    before = _peak_bytes()
    network = OnnxNetwork(built, model, runs)
    picture = np.zeros((network.side, network.side, 3), np.uint8)
    with ThreadPoolExecutor(runs) as pool:
        list(pool.map(network.mask, [picture] * runs))
        begin = time.process_time()  # which does not count what other programs take of the cores
        list(pool.map(network.mask, [picture] * runs))
        seconds = (time.process_time() - begin) / runs
    return (_peak_bytes() - before) >> 20, seconds


def _peak_bytes() -> int:
    """Most that the process has had resident."""
    if sys.platform == "linux":
        # Not getrusage(2), which counts the process that started this one.
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) << 10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
