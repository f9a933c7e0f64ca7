"""A zygote whose rooms do what a file tells them: as if somebody had taken over a decoder.

A file is marked by a comment, `fault:WHERE.WHAT`, which an honest zygote does not look at. WHERE is `plan` or
`picture`, the order of the room that is to behave so.
"""

import ctypes
import errno
import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shared_code.room import inside, zygote
from shared_code.room.messages import Answer, Order, Reply
from tests.support.photos import encoded

_MARK = re.compile(rb"fault:(plan|picture)\.([a-z_0-9]+);")
_LIBC = ctypes.CDLL(None, use_errno=True)
_CALLS = {
    "open": 2, "fstat": 5, "lseek": 8, "rt_sigaction": 13, "rt_sigprocmask": 14, "ioctl": 16,
    "shmget": 29, "dup": 32, "setitimer": 38, "socket": 41, "connect": 42, "sendto": 44, "recvfrom": 45,
    "sendmsg": 46, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
    "chdir": 80, "ptrace": 101, "getppid": 110, "personality": 135, "prctl": 157, "setrlimit": 160,
    "mount": 165, "tkill": 200, "tgkill": 234, "keyctl": 250, "openat": 257, "unshare": 272,
    "perf_event_open": 298, "prlimit64": 302, "name_to_handle_at": 303, "process_vm_readv": 310,
    "process_vm_writev": 311, "seccomp": 317, "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
    "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
}  # fmt: skip
"""Of x86-64: ways out of a process, or to what a decoder has no business with."""


def marked(where: str, what: str, width: int = 96, height: int = 64) -> bytes:
    """An honest JPEG with such a comment."""
    body = f"fault:{where}.{what};".encode()
    photo = encoded("JPEG", width, height)
    return photo[:2] + b"\xff\xfe" + (len(body) + 2).to_bytes(2) + body + photo[2:]


def main(control_fd: int) -> None:
    zygote.main(control_fd, serve)


def serve(room: inside.Room, workers: inside.Workers) -> None:
    found = _MARK.search(room.data)
    order = Order(room.job.order).name.lower().encode()
    if found is None or found[1] != order:
        inside.serve(room, workers)
        return
    what = found[2].decode()
    if what in LIES:
        _lie(room, workers, what)
    else:
        FAULTS[what](room)


def _crash(_room: inside.Room) -> None:
    ctypes.string_at(8)


def _abort(_room: inside.Room) -> None:
    os.abort()


def _spin(_room: inside.Room) -> None:
    while True:
        pass


def _sleep(_room: inside.Room) -> None:
    threading.Event().wait()


def _bloat(room: inside.Room) -> None:
    """Take all there is, touch it, and keep it."""
    kept = []
    while True:
        try:
            kept.append(b"x" * (4 << 20))
        except MemoryError:
            kept.append(kept[-1])
            room.channel.write(Reply(0, Answer.MEMORY).pack())
            threading.Event().wait()


def _hold(room: inside.Room) -> None:
    """Take memory, touch it, and never answer."""
    kept = b"x" * (room.job.memory_bytes * 9 // 10)
    while kept:
        threading.Event().wait()


def _exit(_room: inside.Room) -> None:
    os._exit(0)


def _silent(room: inside.Room) -> None:
    while room.channel.read(1):
        pass


def _garbage(room: inside.Room) -> None:
    room.channel.write(b"\xff" * 10_000)
    _silent(room)


def _half(room: inside.Room) -> None:
    room.channel.write(Reply(0, Answer.DONE, 96, 64).pack()[:50])


def _flood(room: inside.Room) -> None:
    while True:
        room.channel.write(Reply(1, Answer.DONE, 96, 64).pack())


def ways_out() -> list[str]:
    """Those that are open to this process: a call that ends in anything but "not permitted"."""
    found = []
    for name, number in _CALLS.items():
        ctypes.set_errno(0)
        arguments = (ctypes.c_long(number), *(ctypes.c_long(value) for value in (0, 0, 0, 0, 0, 0)))
        if _LIBC.syscall(*arguments) != -1 or ctypes.get_errno() != errno.EPERM:
            found.append(name)
    tries: dict[str, Callable[[], object]] = {
        "a file": lambda: Path("/etc/hostname").read_text(),
        "a new file": lambda: Path("way-out").write_text("x"),
        "own environment": lambda: Path("/proc/self/environ").read_bytes(),
        "a thread": lambda: threading.Thread(target=print).start(),
        "a process": os.fork,
        "a signal": lambda: os.kill(os.getpid(), signal.SIGURG),
        "standard error": lambda: os.write(2, b"x"),
    }
    for name, attempt in tries.items():
        try:
            attempt()
        except (OSError, RuntimeError):
            continue
        found.append(name)
    return found


def _ways_out(room: inside.Room) -> None:
    """Tells the log of the service what was found."""
    found = ", ".join([*ways_out(), *(f"variable {name}" for name in os.environ if "SEGMENT" in name)])
    reason = f"ways out: {found or 'none'}".encode()[:96]
    room.channel.write(Reply(0, Answer.FORMAT, reason=reason).pack())


FAULTS: dict[str, Callable[[inside.Room], None]] = {
    "crash": _crash,
    "abort": _abort,
    "spin": _spin,
    "sleep": _sleep,
    "bloat": _bloat,
    "hold": _hold,
    "exit": _exit,
    "silent": _silent,
    "garbage": _garbage,
    "half": _half,
    "flood": _flood,
    "ways_out": _ways_out,
}
_HUGE = (1 << 64) - 1
LIES: dict[str, Callable[[Reply], Reply]] = {
    "id": lambda reply: replace(reply, id=reply.id + 1),
    "id_huge": lambda reply: replace(reply, id=_HUGE),
    "answer": lambda reply: replace(reply, answer=77),
    "answer_huge": lambda reply: replace(reply, answer=_HUGE),
    "fault": lambda reply: replace(reply, answer=Answer.FAULT, reason=b"\n\x1b[31mERROR forged\0" * 4),
    "width_0": lambda reply: replace(reply, width=0),
    "width_huge": lambda reply: replace(reply, width=_HUGE),
    "width_other": lambda reply: replace(reply, width=reply.width + 1),
    "height_49": lambda reply: replace(reply, height=49),
    "height_16001": lambda reply: replace(reply, height=16_001),
    "sides_16000": lambda reply: replace(reply, width=16_000, height=16_000),
    "scalable": lambda reply: replace(reply, scalable=_HUGE),
    "not_scalable": lambda reply: replace(reply, scalable=0),
    "holds_whole": lambda reply: replace(reply, holds_whole=2),
    "has_alpha": lambda reply: replace(reply, has_alpha=1),
    "has_alpha_huge": lambda reply: replace(reply, has_alpha=_HUGE),
    "fixed_huge": lambda reply: replace(reply, fixed_bytes=_HUGE),
    "pixel_0": lambda reply: replace(reply, bytes_per_pixel=0.0),
    "pixel_negative": lambda reply: replace(reply, bytes_per_pixel=-1.0),
    "pixel_tiny": lambda reply: replace(reply, bytes_per_pixel=1e-300),
    "pixel_infinite": lambda reply: replace(reply, bytes_per_pixel=float("inf")),
    "pixel_nan": lambda reply: replace(reply, bytes_per_pixel=float("nan")),
}
"""What a reply becomes, in each of its fields."""


def _lie(room: inside.Room, workers: inside.Workers, what: str) -> None:
    lie = LIES[what]

    class Liar:
        def read(self, size: int) -> bytes:
            return room.channel.read(size)

        def write(self, reply: bytes) -> None:
            room.channel.write(lie(Reply.unpack(reply)).pack())

    inside.serve(replace(room, channel=Liar()), workers)
