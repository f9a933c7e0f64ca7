"""Memory and time of a built network, measured in processes that run it as the service does."""

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from model_build.errors import BuildError, told_as
from shared_code.matte.built import BuiltNetwork, Cost

_STATUS = Path("/proc/self/status")
"""Where Linux says what memory a process has used."""


def measured(built: BuiltNetwork, model: Path) -> Cost | None:
    """Memory and time; None on systems that do not report the peak memory of a process.

    If the machine has too little memory for two runs at once, twice the memory of one is assumed. Raises
    BuildError when the process with one run is killed.
    """
    if not sys.platform.startswith(("linux", "darwin")):
        return None
    one_run_mb, seconds = _in_a_process(built, model, 1)
    try:
        two_runs_mb, _ = _in_a_process(built, model, 2)
    except BuildError:
        two_runs_mb = 2 * one_run_mb
    return Cost(one_run_mb, two_runs_mb, round(seconds, 3))


def _in_a_process(built: BuiltNetwork, model: Path, runs: int) -> tuple[int, float]:
    spawn = multiprocessing.get_context("spawn")
    with told_as(built.name), ProcessPoolExecutor(1, spawn) as process:
        try:
            return process.submit(_take, built, model, runs).result()
        except BrokenProcessPool as error:
            raise ValueError("the process that ran it was killed; it may need more memory") from error


def _take(built: BuiltNetwork, model: Path, runs: int) -> tuple[int, float]:
    """Peak memory in MiB with that many runs at once, and CPU seconds of one run after a first one."""
    import numpy as np
    import onnxruntime  # noqa: F401 - before the first measurement: the library itself is shared by all networks

    from shared_code.matte.network import OnnxNetwork
    from shared_code.process import tune_process

    tune_process()
    before = _peak_bytes()
    network = OnnxNetwork(built, model, runs)
    picture = np.zeros((network.side, network.side, 3), np.uint8)
    with ThreadPoolExecutor(runs) as pool:
        list(pool.map(network.mask, [picture] * runs))
        begin = time.process_time()  # not affected by other programs on the same cores
        list(pool.map(network.mask, [picture] * runs))
        seconds = (time.process_time() - begin) / runs
    return (_peak_bytes() - before) >> 20, seconds


def _peak_bytes() -> int:
    """Peak resident memory of this process."""
    if _STATUS.exists():
        # Not getrusage(2), which counts the process that started this one.
        status = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(status["VmHWM"].split()[0]) << 10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
