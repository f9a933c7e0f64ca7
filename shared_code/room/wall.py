"""The wall around a room: what the process gives up before it looks at a file, and never gets back."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntFlag

from shared_code.room.seccomp import Filter

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_LIMITED = ("NOFILE", "FSIZE", "CORE", "NPROC", "MEMLOCK", "MSGQUEUE")
_NOTHING = [getattr(resource, f"RLIMIT_{name}") for name in _LIMITED if hasattr(resource, f"RLIMIT_{name}")]
"""Limits that are set to 0: of files, their size, core dumps, processes, locked memory, message queues."""
_FIRST_TO_GO = b"1000"
"""For the kernel, when an instance has no memory left: a room, and not the service."""


class Part(IntFlag):
    """What of the wall stands."""

    LIMITS = 1
    NO_NEW_PRIVILEGES = 2
    SECCOMP = 4


WHOLE = Part.LIMITS | Part.NO_NEW_PRIVILEGES | Part.SECCOMP


def lacking(wall: Part) -> list[str]:
    """The names of the parts that are not there."""
    return [part.name.lower() for part in WHOLE & ~wall if part.name]


@dataclass(frozen=True)
class Allowance:
    """What a room may take: bytes of memory beside what it has already, and seconds of CPU time."""

    memory_bytes: int
    cpu_s: float


class Wall:
    """What is needed to build it, made ready before a process is forked."""

    def __init__(self, fd: int) -> None:
        """Behind it, `fd` is all that can be read and written."""
        self._filter = Filter(fd)
        self._prctl: Callable[..., int] | None = None
        if sys.platform == "linux":
            self._prctl = ctypes.CDLL(None).prctl
        self._rest = (ctypes.c_ulong(0),) * 3

    def end_with_parent(self, parent: int) -> None:
        """This process is killed when `parent`, which has one thread, ends; at once if it has."""
        self._set(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)

    def close_in(self, allowance: Allowance) -> Part:
        """Build it. All threads run, all files but one are closed, all modules are imported."""
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


def _limit(allowance: Allowance) -> Part:
    """The kernel ends the process by SIGPROF when its CPU time is over, and refuses it more memory."""
    memory_bytes = _address_space_bytes() + allowance.memory_bytes
    seconds = int(allowance.cpu_s) + 1
    signal.setitimer(signal.ITIMER_PROF, allowance.cpu_s)
    limits = [(number, (0, 0)) for number in _NOTHING]
    limits.append((resource.RLIMIT_CPU, (seconds, seconds + 1)))
    if sys.platform == "linux":  # macOS does not hold to it
        limits.append((resource.RLIMIT_AS, (memory_bytes, memory_bytes)))
    parts = Part.LIMITS
    for number, values in limits:
        try:
            resource.setrlimit(number, values)
        except (OSError, ValueError):
            parts = Part(0)
    return parts


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
