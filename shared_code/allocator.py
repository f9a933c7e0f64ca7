"""What the C library does with memory that is freed."""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_BYTES = 128 << 10


def return_large_blocks() -> None:
    """Have glibc give every freed block above 128 KiB back to the system at once (mallopt(3)).

    By default the threshold grows with use, and strips and pictures of many sizes then leave holes that
    double the process's memory over time. Does nothing where the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BYTES)
        mallopt(_M_TRIM_THRESHOLD, _BYTES)
