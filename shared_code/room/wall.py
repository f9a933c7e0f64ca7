"""The wall: the sandbox of a room, which its process enters before it reads the file, and cannot leave."""

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntFlag

from shared_code.room.seccomp import Filter

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_THP_DISABLE = 1, 4, 38, 41
_LIMITED = ("NOFILE", "FSIZE", "CORE", "NPROC", "MEMLOCK", "MSGQUEUE")
_NOTHING = [getattr(resource, f"RLIMIT_{name}") for name in _LIMITED if hasattr(resource, f"RLIMIT_{name}")]
"""Limits that are set to 0: of files, their size, core dumps, processes, locked memory, message queues."""
_PROCESS_CPU_CLOCK = 2
_FIRST_TO_GO = b"1000"
"""For the kernel's out-of-memory killer: it ends a room, and not the service."""


class Part(IntFlag):
    """The parts of the sandbox."""

    LIMITS = 1
    NO_NEW_PRIVILEGES = 2
    SECCOMP = 4


WHOLE = Part.LIMITS | Part.NO_NEW_PRIVILEGES | Part.SECCOMP


def lacking(wall: Part) -> list[str]:
    """The names of the missing parts."""
    return [part.name.lower() for part in WHOLE & ~wall if part.name]


@dataclass(frozen=True)
class Allowance:
    """The limits of a room: bytes of memory beside what it has already, and seconds of CPU time."""

    memory_bytes: int
    cpu_s: float
    may_grow: bool = False
    """Set by another process; inside the sandbox the process itself cannot."""


class Wall:
    """Everything for building it, prepared before a process is forked."""

    def __init__(self, fd: int) -> None:
        """Inside it, only `fd` can be read and written."""
        self._filter = Filter(fd)
        self._prctl: Callable[..., int] | None = None
        if sys.platform == "linux":
            self._prctl = ctypes.CDLL(None).prctl
        self._rest = (ctypes.c_ulong(0),) * 3

    def end_with_parent(self, parent: int) -> None:
        """Have this process killed when `parent`, which has one thread, ends; at once if it has."""
        self._set(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)

    def allow_huge_pages(self, allowed: bool) -> None:
        """Whether this process, and what it forks, may have pages of 2 MiB where it asks for them."""
        self._set(_PR_SET_THP_DISABLE, int(not allowed))

    def close_in(self, allowance: Allowance) -> Part:
        """Enter it. By then all threads run, all files but one are closed, and all modules are imported."""
        with suppress(OSError):
            _written("/proc/self/oom_score_adj", _FIRST_TO_GO)
        parts = _limit(allowance)
        self._set(_PR_SET_DUMPABLE, 0)
        if self._set(_PR_SET_NO_NEW_PRIVS, 1):
            parts |= Part.NO_NEW_PRIVILEGES
            if self._filter.install():
                parts |= Part.SECCOMP
        return parts

    def _set(self, option: int, value: int) -> bool:
        """prctl(2), where there is one."""
        return self._prctl is not None and self._prctl(option, ctypes.c_ulong(value), *self._rest) == 0


def grow(pid: int, before: Allowance, more: Allowance) -> bool:
    """Let another process take `more` memory instead of what it was allowed `before`, and more CPU time.

    False where this system does not let it.
    """
    try:
        memory_bytes, most_bytes = resource.prlimit(pid, resource.RLIMIT_AS)
        memory_bytes += more.memory_bytes - before.memory_bytes
        resource.prlimit(pid, resource.RLIMIT_AS, (memory_bytes, most_bytes))
        seconds, most_seconds = resource.prlimit(pid, resource.RLIMIT_CPU)
        resource.prlimit(pid, resource.RLIMIT_CPU, (seconds + int(more.cpu_s) + 1, most_seconds))
    except (OSError, ValueError):
        return False
    return True


def cpu_s_of(pid: int) -> float:
    """Seconds of CPU time that a process has used (clock_getcpuclockid(3)), on Linux; 0 if it is gone."""
    try:
        return time.clock_gettime(~pid << 3 | _PROCESS_CPU_CLOCK)
    except OSError:
        return 0.0


def _limit(allowance: Allowance) -> Part:
    """The kernel refuses the process more memory, and ends it when its CPU time is over: by SIGXCPU at whole
    seconds, and by SIGPROF sooner, unless it may grow: then the zygote looks at its clock.
    """
    memory_bytes = _address_space_bytes() + allowance.memory_bytes
    seconds = int(time.process_time() + allowance.cpu_s) + 1  # a spare room has used some
    if not allowance.may_grow:
        signal.setitimer(signal.ITIMER_PROF, allowance.cpu_s)
    limits = [(number, (0, 0)) for number in _NOTHING]
    limits.append((resource.RLIMIT_CPU, (seconds, _most(seconds + 1, allowance))))
    if sys.platform == "linux":  # macOS does not enforce it
        limits.append((resource.RLIMIT_AS, (memory_bytes, _most(memory_bytes, allowance))))
    parts = Part.LIMITS
    for number, values in limits:
        try:
            resource.setrlimit(number, values)
        except (OSError, ValueError):
            parts = Part(0)
    return parts


def _most(value: int, allowance: Allowance) -> int:
    return resource.RLIM_INFINITY if allowance.may_grow else value


def _address_space_bytes() -> int:
    try:
        return int(_read("/proc/self/statm").split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def _written(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
