"""The zygote: a small process that has imported everything a room needs, and forks rooms.

It is started before settings are read, with an empty environment and a socket, and does nothing else. A fork
of the service itself would hold its keys. It has one thread, never sees a file, and ends with the
service, when the other end of its socket is closed.

When no room is at work any more it keeps a spare one for some seconds, which has started its threads and
waits for a job. So the next picture does not wait for a fork, nor for the pages that a process copies when it
first writes to them.
"""

import gc
import io
import logging
import mmap
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    TiffImagePlugin,
    WebPImagePlugin,
)

from shared_code.picture.formats import FORMATS
from shared_code.picture.header import open_source
from shared_code.picture.heif import register_decoders
from shared_code.process import cores, give_back_memory, tune_allocator
from shared_code.room import inside
from shared_code.room.messages import (
    JOB_FDS,
    LEAST_THREADS,
    MAY_GO_ON,
    MAY_NOT_GO_ON,
    NOT_BORN,
    Ended,
    Job,
    Order,
)
from shared_code.room.wall import Allowance, Part, Wall, cpu_s_of, grow

PLUGINS = (AvifImagePlugin, BmpImagePlugin, GifImagePlugin, TiffImagePlugin, WebPImagePlugin)
"""Imported here, because Pillow imports all plugins if one is missing, which takes longer."""
_WARM_SIDE = 64
_MIB = 1 << 20
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_CHANNEL_FD = 0
"""Of a room's one open file."""
_LEAST_POLL_S = 0.005
"""Between two looks at the CPU time of a room that has nearly used it up."""
_PAUSE_S = 0.01
"""How long nothing happens, with no room at work, before a spare one is forked."""
_REST_S = 5.0
"""And before it is ended, so that a service at rest takes less memory."""
_OPEN_MAX = os.sysconf("SC_OPEN_MAX")

type Serve = Callable[[inside.Room, inside.Workers], None]


def main(control_fd: int, serve: Serve = inside.serve) -> None:
    """Serve until the service has ended. `serve` is the program of a room."""
    logging.disable()  # messages are in replies; a room has no log
    tune_allocator()
    wall = Wall(_CHANNEL_FD)
    wall.allow_huge_pages(False)  # rooms need them for pictures; the zygote itself would waste them
    _warm()
    control = socket.socket(fileno=control_fd)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    gc.disable()  # a room does not live long enough
    give_back_memory()  # a fork copies the tables of all pages
    with suppress(BrokenPipeError, ConnectionResetError):
        control.sendall(Ended(0, _parts_of(wall)).pack())
        _Nursery(control, woken, wall, serve).run()


def _warm() -> None:
    """Decode a small picture of each format that Pillow writes, so that first-use imports are done.

    The plugins of the others are imported.
    """
    Image.preinit()
    register_decoders()
    if {row.plugin for row in FORMATS if row.plugin} - Image.OPEN.keys():
        Image.init()
    for row in FORMATS:
        if row.name in Image.SAVE:
            inside.rehearse(_sample(row.name))


@cache
def _sample(format: str) -> bytes:
    """A small picture, as a file of that format."""
    image = Image.linear_gradient("L").resize((_WARM_SIDE, _WARM_SIDE)).convert("RGB")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    image.save(file, format, icc_profile=profile)
    return file.getvalue()


def _parts_of(wall: Wall) -> Part:
    """The parts of the sandbox that work on this system, found by a process that enters it."""
    pid = os.fork()
    if pid == 0:
        os._exit(int(wall.close_in(Allowance(64 * _MIB, 1.0))))
    return Part(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


@dataclass
class _Child:
    """A running room. `cpu_s` is what its CPU clock may come to; None if the kernel watches it."""

    serial: int
    allowance: Allowance
    cpu_s: float | None


@dataclass
class _Waiting:
    """A process that becomes a room when it gets a job."""

    pid: int
    orders: socket.socket


class _Nursery:
    """Forks rooms, ends them on request or when their time is over, and reports how they ended."""

    def __init__(self, control: socket.socket, woken: int, wall: Wall, serve: Serve) -> None:
        self._control = control
        self._wall = wall
        self._woken = woken
        self._serve = serve
        self._cores = cores()
        self._sample = _sample("JPEG")
        self._rooms: dict[int, _Child] = {}
        """By process."""
        self._spare: _Waiting | None = None
        self._wants_spare = True

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            events = poll.poll(self._next_look_ms())
            for fd, _ in events:
                if fd == self._woken:
                    with suppress(BlockingIOError):
                        os.read(self._woken, 512)
                elif not self._order():
                    return
            self._reap()
            if not events and not self._rooms:
                self._nothing_happens()

    def _nothing_happens(self) -> None:
        """Fork a spare room; when it has been waiting for long, end it."""
        if self._wants_spare:
            self._wants_spare = False
            with suppress(OSError):
                self._spare = self._forked(self._sample)
        elif self._spare:
            self._spare.orders.close()
            self._spare = None

    def _order(self) -> bool:
        """Whether there was one."""
        order = _received(self._control)
        if order is None:
            return False
        job, fds = order
        match job.order:
            case Order.KILL:
                for pid in self._pids(job.serial):
                    os.kill(pid, signal.SIGKILL)
            case Order.GO_ON:
                for pid in self._pids(job.serial):
                    self._let_go_on(pid, job)
            case _:
                self._open(job, fds)
        return True

    def _pids(self, serial: int) -> list[int]:
        """Its process, if it was not reaped yet, so that the number is still the room's."""
        return [pid for pid, room in self._rooms.items() if room.serial == serial]

    def _let_go_on(self, pid: int, job: Job) -> None:
        room, more = self._rooms[pid], Allowance(job.memory_bytes, job.cpu_s)
        grown = room.allowance.may_grow and grow(pid, room.allowance, more)
        if grown:
            self._rooms[pid] = _Child(room.serial, more, cpu_s_of(pid) + job.cpu_s)
        self._control.sendall(Ended(job.serial, MAY_GO_ON if grown else MAY_NOT_GO_ON).pack())

    def _next_look_ms(self) -> float | None:
        """When a room may have used up its CPU time; ends those that have.

        With no room at work: when it is time to fork a spare one, or to end it.
        """
        if not self._rooms:
            if self._wants_spare:
                return 1000 * _PAUSE_S
            return 1000 * _REST_S if self._spare else None
        looks = []
        for pid, room in self._rooms.items():
            if room.cpu_s is not None:
                left_s = room.cpu_s - cpu_s_of(pid)
                if left_s <= 0:
                    os.kill(pid, signal.SIGPROF)
                looks.append(max(_LEAST_POLL_S, left_s / self._cores))
        return 1000 * min(looks) if looks else None

    def _open(self, job: Job, fds: list[int]) -> None:
        try:
            pid = self._begun(job, fds)
            allowance = _allowance(job)
            cpu_s = cpu_s_of(pid) + job.cpu_s if allowance.may_grow else None
            self._rooms[pid] = _Child(job.serial, allowance, cpu_s)
        except OSError:
            self._control.sendall(Ended(job.serial, NOT_BORN).pack())
        finally:
            for fd in fds:
                os.close(fd)

    def _begun(self, job: Job, fds: list[int]) -> int:
        """The process that has got the job. Raises OSError."""
        spare, self._spare = self._spare, None
        self._wants_spare = True
        if spare is not None:
            with suppress(OSError):  # it may have been killed before, for want of memory
                return _sent(spare, job, fds)
        return _sent(self._forked(), job, fds)

    def _forked(self, sample: bytes = b"") -> _Waiting:
        """A new process that waits for a job; with a sample, it first starts its threads and decodes that.

        Raises OSError.
        """
        ours, its = socket.socketpair()
        try:
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                threads = max(LEAST_THREADS, self._cores)
                _be_a_room(its.fileno(), parent, self._wall, self._serve, threads, sample)
        except OSError:
            ours.close()
            raise
        finally:
            its.close()
        return _Waiting(pid, ours)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, used = ended
                room = self._rooms.pop(pid, None)
                if room is None:
                    if self._spare is not None and self._spare.pid == pid:
                        self._spare = None
                    continue
                peak_bytes = used.ru_maxrss * _MAXRSS_BYTES
                cpu_s = used.ru_utime + used.ru_stime
                self._control.sendall(Ended(room.serial, status, peak_bytes, cpu_s).pack())


def _received(orders: socket.socket) -> tuple[Job, list[int]] | None:
    """The next job, and the files that came with it; None at the end."""
    data, fds = b"", list[int]()
    while len(data) < Job.size():
        piece, more, _, _ = socket.recv_fds(orders, Job.size() - len(data), JOB_FDS)
        if not piece:
            return None
        data, fds = data + piece, fds + more
    return Job.unpack(data), fds


def _sent(waiting: _Waiting, job: Job, fds: list[int]) -> int:
    """Give it the job, and return its process. Raises OSError."""
    with waiting.orders:
        socket.send_fds(waiting.orders, [job.pack()], fds)
    return waiting.pid


def _be_a_room(orders_fd: int, parent: int, wall: Wall, serve: Serve, threads: int, sample: bytes) -> None:
    """The life of a room, until its job is done; never returns."""
    try:
        wall.end_with_parent(parent)
        wall.allow_huge_pages(True)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(orders_fd, _CHANNEL_FD)
        os.closerange(_CHANNEL_FD + 1, _OPEN_MAX)
        workers = inside.Workers()
        if sample:
            workers.start(threads - 1)  # this thread is one of them
            inside.rehearse(sample)
        orders = socket.socket(fileno=_CHANNEL_FD)
        order = _received(orders)
        orders.detach()
        if order is None:
            return
        job, (channel_fd, file_fd, pixels_fd) = order
        data = _read(file_fd, job.file_bytes)
        source = cache(partial(open_source, data))
        pixels = mmap.mmap(pixels_fd, job.pixel_bytes) if job.pixel_bytes else mmap.mmap(-1, 1)
        os.dup2(channel_fd, _CHANNEL_FD)
        os.closerange(_CHANNEL_FD + 1, _OPEN_MAX)
        workers.start(job.threads - 1)
        wall.close_in(_allowance(job))
        room = inside.Room(job, data, source, memoryview(pixels), _Pipe(_CHANNEL_FD))
        serve(room, workers)
        if job.goes_on and (picture := room.channel.read(Job.size())):
            serve(replace(room, job=Job.unpack(picture)), workers)
    finally:
        os._exit(0)


def _allowance(job: Job) -> Allowance:
    return Allowance(job.memory_bytes, job.cpu_s, bool(job.goes_on))


def _read(fd: int, size: int) -> bytes:
    if not size:
        return b""
    with mmap.mmap(fd, size, prot=mmap.PROT_READ) as file:
        return file[:]


class _Pipe:
    """The room's end of its socket."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = os.read(self._fd, size - len(data))
            if not piece:
                return b""
            data += piece
        return data

    def write(self, reply: bytes) -> None:
        with self._lock:
            while reply:
                reply = reply[os.write(self._fd, reply) :]


if __name__ == "__main__":
    main(int(sys.argv[1]))
