"""A filter of system calls (seccomp(2)): only those that a decoder needs are allowed.

The program is in classic BPF, as the kernel takes it: it sees the number of the call and its arguments.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Callable, Mapping
from functools import partial

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
"""BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ, BPF_JMP|BPF_JSET, BPF_RET."""
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_EXECUTABLE, _ANONYMOUS = 4, 0x20
"""PROT_EXEC and MAP_ANONYMOUS."""

_X86_64 = {
    "read": 0, "write": 1, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigreturn": 15,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "getpid": 39, "exit": 60, "gettid": 186, "futex": 202,
    "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231,
    "getrandom": 318, "seccomp": 317,
}  # fmt: skip
_AARCH64 = {
    "read": 63, "write": 64, "mmap": 222, "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigreturn": 139,
    "sched_yield": 124, "mremap": 216, "madvise": 233, "getpid": 172, "exit": 93, "gettid": 178, "futex": 98,
    "restart_syscall": 128, "clock_gettime": 113, "clock_nanosleep": 115, "exit_group": 94,
    "getrandom": 278, "seccomp": 277,
}  # fmt: skip
TABLES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (0xC000003E, _X86_64),
    "aarch64": (0xC00000B7, _AARCH64),
}
"""By the machine's name: AUDIT_ARCH and the numbers of the calls that are allowed (`seccomp` is not)."""


class Filter:
    """A filter that is ready to be installed, so that a forked process need not build it."""

    def __init__(self, fd: int) -> None:
        """It lets a process compute, and read and write `fd`."""
        self._call: Callable[[], int] | None = None
        table = TABLES.get(platform.machine())
        if table is None or sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
            return
        architecture, numbers = table
        instructions = program(architecture, numbers, fd)
        self._code = ctypes.create_string_buffer(b"".join(instructions))
        header = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(self._code))
        arguments = (
            ctypes.c_long(numbers["seccomp"]),
            ctypes.c_ulong(_SET_MODE_FILTER),
            ctypes.c_ulong(_ALL_THREADS),
            ctypes.c_char_p(header),
        )
        self._call = partial(ctypes.CDLL(None).syscall, *arguments)

    def install(self) -> bool:
        """Install it for this process and all its threads, permanently; needs no-new-privileges.

        False if the kernel or an outer sandbox forbids it, or on another kind of machine.
        """
        return self._call is not None and self._call() == 0


def program(architecture: int, numbers: Mapping[str, int], fd: int) -> list[bytes]:
    """The filter. Calls of another architecture end the process; what is not named is answered EPERM."""
    instructions = [
        _load(_ARCHITECTURE_AT),
        _jump(_EQUAL, architecture, 1, 0),
        _return(_KILL_PROCESS),
        _load(_NUMBER_AT),
    ]
    for name, number in numbers.items():
        if name == "seccomp":
            continue
        checks = _argument_checks(name, fd)
        instructions.append(_jump(_EQUAL, number, 0, len(checks) + 1))
        instructions += [*checks, _return(_ALLOW)]
    instructions.append(_return(_ERRNO | errno.EPERM))
    return instructions


def _argument_checks(name: str, fd: int) -> list[bytes]:
    """Nothing but `fd` is read or written, no file is mapped, and no memory is executable."""
    refuse = _return(_ERRNO | errno.EPERM)
    match name:
        case "read" | "write":
            return [_load(_argument(0)), _jump(_EQUAL, fd, 1, 0), refuse]
        case "mprotect":
            return [_load(_argument(2)), _jump(_ANY_BIT, _EXECUTABLE, 0, 1), refuse]
        case "mmap":
            return [
                _load(_argument(2)),
                _jump(_ANY_BIT, _EXECUTABLE, 0, 1),
                refuse,
                _load(_argument(3)),
                _jump(_ANY_BIT, _ANONYMOUS, 1, 0),
                refuse,
            ]
    return []


def _argument(index: int) -> int:
    """Where the lower half of an argument lies in struct seccomp_data; both machines are little-endian."""
    return 16 + 8 * index


def _load(at: int) -> bytes:
    return struct.pack("HBBI", _LOAD, 0, 0, at)


def _jump(operation: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("HBBI", operation, if_true, if_false, value)


def _return(action: int) -> bytes:
    return struct.pack("HBBI", _RETURN, 0, 0, action)
