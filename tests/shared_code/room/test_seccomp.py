"""The filter for each machine, read as the kernel reads it (classic BPF on struct seccomp_data)."""

import errno
import struct

import pytest

from shared_code.room import seccomp

FD = 0
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
EXECUTABLE, PRIVATE, ANONYMOUS = 4, 2, 0x20
TABLES = pytest.mark.parametrize("machine", seccomp.TABLES)
NUMBERS = {
    "x86_64": {"openat": 257, "socket": 41, "clone": 56, "execve": 59, "kill": 62, "prlimit64": 302},
    "aarch64": {"openat": 56, "socket": 198, "clone": 220, "execve": 221, "kill": 129, "prlimit64": 261},
}
"""Of asm/unistd_64.h and asm-generic/unistd.h: calls that no room may make."""


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter says of a system call."""
    expected, numbers = seccomp.TABLES[machine]
    program = seccomp.program(expected, numbers, FD)
    filled = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<iIQ6Q", number, architecture or expected, 0, *filled)
    at, value = 0, 0
    operand: int
    while True:
        code, if_true, if_false, operand = struct.unpack("HBBI", program[at])
        at += 1
        if code == LOAD:
            (value,) = struct.unpack_from("<I", data, operand)
        elif code == RETURN:
            return operand
        else:
            holds = {EQUAL: value == operand, ANY_BIT: bool(value & operand)}[code]
            at += if_true if holds else if_false


@TABLES
def test_what_is_named_is_allowed(machine: str) -> None:
    _, numbers = seccomp.TABLES[machine]
    for name in numbers.keys() - {"seccomp", "mmap"}:
        assert verdict(machine, numbers[name], FD) == ALLOW, name
    assert verdict(machine, numbers["mmap"], 0, 4096, 3, PRIVATE | ANONYMOUS) == ALLOW


@TABLES
def test_nothing_else_is(machine: str) -> None:
    _, numbers = seccomp.TABLES[machine]
    allowed = {number for name, number in numbers.items() if name != "seccomp"}
    assert all(verdict(machine, number) == REFUSE for number in range(600) if number not in allowed)
    assert not allowed & set(NUMBERS[machine].values())


@TABLES
def test_one_descriptor_no_file_and_no_program(machine: str) -> None:
    _, numbers = seccomp.TABLES[machine]
    for name in ("read", "write"):
        assert verdict(machine, numbers[name], FD + 1) == REFUSE
    assert verdict(machine, numbers["mmap"], 0, 4096, 3, PRIVATE) == REFUSE
    assert verdict(machine, numbers["mmap"], 0, 4096, EXECUTABLE, PRIVATE | ANONYMOUS) == REFUSE
    assert verdict(machine, numbers["mprotect"], 0, 4096, EXECUTABLE) == REFUSE


@TABLES
def test_another_architecture_ends_the_process(machine: str) -> None:
    _, numbers = seccomp.TABLES[machine]
    assert verdict(machine, numbers["getpid"], architecture=0x40000003) == KILL
