"""Process-wide matters: returning freed memory, the number of threads, ending the process."""

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE_BYTES = 8 << 20
_KEPT_BYTES = 32 << 20


def cores() -> int:
    """How many threads can run at once."""
    return os.process_cpu_count() or 1


def tune_process() -> None:
    """To be called once, before anything is computed, and before ONNX Runtime is imported."""
    os.putenv("ORT_DISABLE_TELEMETRY", "1")  # or it tells Microsoft of every network that is loaded
    tune_allocator()
    threadpool_limits(1, "blas")  # numpy's matrices are small; waiting, its threads would hold the cores
    # Of odd pictures, which are odd no matter who reads them. Here, and not around each call: filters are the
    # process's, and threads that change and restore them leave each other's behind.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def give_back_memory() -> None:
    """Return to the system what is free in the heap, holes between live blocks included (malloc_trim(3)).

    Takes milliseconds, and makes the next picture ask for its pages anew: for a process that rests.
    Does nothing where the C library is another one.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


@contextmanager
def told_on_console() -> Iterator[None]:
    """What stops the app at its start, in one line on stderr too, and then raised as it was.

    The worker library catches it, and the Functions host drops what the library logs of it: it serves an app
    without functions, 404 for everything. What the worker writes to its console is in the host's log.
    """
    try:
        yield
    except Exception as error:
        sys.stderr.write(f"the app cannot start: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
        raise


def end_process() -> None:
    """End a process that cannot serve, at once; the platform starts another."""
    logging.shutdown()
    os._exit(1)


def tune_allocator() -> None:
    """Have glibc give decoded pictures back at once, and keep all else in one heap (mallopt(3)).

    By default the threshold of what is given back grows with use, and each thread has a heap of its own: over
    time the holes in them double the process's memory. A threshold below the planes of a guide, on the other
    hand, has the system clear every one of them anew, and a cut-out takes twice as long.
    Does nothing where the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 1)
