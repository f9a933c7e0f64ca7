"""Process-wide matters: returning freed memory, the number of threads, ending the process."""

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
    import numpy as np  # noqa: F401, PLC0415, RUF100  # only what is loaded can be limited
    from threadpoolctl import threadpool_limits  # noqa: PLC0415, RUF100  # a zygote has no use for it

    os.putenv("ORT_DISABLE_TELEMETRY", "1")  # or it tells Microsoft of every network that is loaded
    tune_allocator()
    # numpy's matrices are small; waiting, its threads would hold the cores. And products that are shared out
    # among more threads are rounded differently, so a matte would depend on them.
    threadpool_limits(1, "blas")
    # Warnings about odd pictures. Filtered here, and not around each call: filters are the
    # process's, and threads that change and restore them leave each other's behind.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def give_back_memory() -> None:
    """Return the heap's free memory to the system, also that between live blocks (malloc_trim(3)).

    Where threads have heaps of their own, what is free at the end of those is not returned.

    This takes milliseconds, and the next picture has to request its pages again, so it is for an idle
    process. It does nothing with C libraries other than glibc.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


@contextmanager
def told_on_console() -> Iterator[None]:
    """Write an error that stops the app's start to stderr, in one line, and raise it again.

    The worker library catches it, and the Functions host drops what the library logs about it; the host then
    serves an app without functions, 404 for everything. The worker's console does reach the host's log.
    """
    try:
        yield
    except Exception as error:
        sys.stderr.write(f"the app cannot start: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
        raise


def end_process() -> None:
    """End a process that cannot serve at once, so that the platform starts another."""
    logging.shutdown()
    os._exit(1)


def tune_allocator() -> None:
    """Have glibc return decoded pictures to the system at once, and keep everything else in one heap
    (mallopt(3)).

    By default the size from which memory is returned grows with use, and each thread has its own heap. Over
    time, holes in the heaps double the process's memory. A threshold below the size of a guide's planes would
    be too low: the system would clear each plane anew, and a cut-out would take twice as long. Heaps that
    exist before this is called, as in the worker of the Functions host, stay in use.
    It does nothing with C libraries other than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 1)
