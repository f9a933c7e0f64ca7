"""Memory for pixels, which a room writes and the service reads; it is kept for the next room.

The system clears new memory page by page when it is first used. For a small picture that takes longer than to
write the pixels. So memory whose room has ended is wiped, and used again.
"""

import mmap
import os
import tempfile
import threading
import weakref
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

type Bytes = NDArray[np.uint8]


def shared_memory(name: str, size: int) -> int:
    """A descriptor of memory to share with another process; it lasts as long as a process maps it.

    Raises OSError.
    """
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, size)
    except BaseException:
        os.close(fd)
        raise
    return fd


class PixelMemory:
    """So many bytes of shared memory, all of them 0 at first."""

    def __init__(self, size: int) -> None:
        """Raises OSError."""
        self.size = size
        self.fd = shared_memory("pixels", size)
        weakref.finalize(self, os.close, self.fd)
        self._map = mmap.mmap(self.fd, size) if size else None
        self._used: dict[int, int] = {}
        """The bytes that were wanted, by their offset."""

    def view(self, offset: int, size: int) -> Bytes:
        """Bytes that a room is to write: uint8 (size,). Views begin at the same offsets or do not overlap."""
        self._used[offset] = max(size, self._used.get(offset, 0))
        return np.frombuffer(self._map or b"", np.uint8, size, offset)

    def wipe(self) -> None:
        """All 0 again. What nobody has wanted is given back to the system, whatever is there.

        Raises OSError where the system cannot do that.
        """
        end = 0
        for offset, size in sorted(self._used.items()):
            self._give_back(end, offset)
            end = min(self.size, -(-(offset + size) // mmap.PAGESIZE) * mmap.PAGESIZE)
            self.view(offset, end - offset).fill(0)
        self._give_back(end, self.size)
        self._used = {}

    def _give_back(self, begin: int, end: int) -> None:
        if self._map and begin < end:
            if not hasattr(mmap, "MADV_REMOVE"):
                raise OSError("not on this system")
            self._map.madvise(mmap.MADV_REMOVE, begin, end - begin)


class MemoryPool:
    """Memory that no room uses. All methods may be called on any thread."""

    def __init__(self, most: int) -> None:
        """It keeps at most so many."""
        self._most = most
        self._kept: list[PixelMemory] = []
        self._lock = threading.Lock()

    def take(self, size: int) -> PixelMemory:
        """Memory of that size, all 0. Raises OSError."""
        with self._lock:
            for at, memory in enumerate(self._kept):
                if memory.size == size:
                    return self._kept.pop(at)
        return PixelMemory(size)

    def keep(self, memory: PixelMemory) -> None:
        """Memory that no room can write to any more, and that nobody reads; it is wiped."""
        with suppress(OSError):
            memory.wipe()
            with self._lock:
                if memory.size and len(self._kept) < self._most:
                    self._kept.append(memory)

    def clear(self) -> None:
        """Give back all of it to the system."""
        with self._lock:
            self._kept.clear()
