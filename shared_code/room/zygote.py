"""The zygote: a small process that has read and warmed all that a room needs, and forks one for each picture.

It is started before a setting was read, with an empty environment and a socket, and does nothing else: a
fork of the service itself would hold its keys. It has one thread, never sees a file, and ends with the
service: when the other end of its socket is closed, however the service ended.
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

from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageCms, TiffImagePlugin, WebPImagePlugin

from shared_code.picture.formats import FORMATS
from shared_code.process import give_back_memory, tune_allocator
from shared_code.room import inside
from shared_code.room.messages import JOB_FDS, Ended, Job, Order, Request
from shared_code.room.wall import Allowance, Part, Wall

PLUGINS = (BmpImagePlugin, GifImagePlugin, TiffImagePlugin, WebPImagePlugin)
"""Imported here: Pillow imports every plugin when it misses one, which takes longer."""
_WARM_SIDE = 64
_MIB = 1 << 20
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_CHANNEL_FD = 0
"""Of a room's one open file."""

type Serve = Callable[[inside.Room, inside.Workers], None]


def main(control_fd: int, serve: Serve = inside.serve) -> None:
    """Serve until the service is gone. `serve` is what runs in a room."""
    logging.disable()  # what there is to say is in a reply; a room has nowhere to write
    tune_allocator()
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
    give_back_memory()  # a fork copies the tables of all pages
    with suppress(BrokenPipeError, ConnectionResetError):
        wall = Wall(_CHANNEL_FD)
        control.sendall(Ended(0, _parts_of(wall)).pack())
        _Nursery(control, woken, wall, serve).run()


def _warm() -> None:
    """Decode a small picture of each format that Pillow writes, so that first-use imports are done.

    The plugins of the others are imported.
    """
    Image.preinit()
    if {row.plugin for row in FORMATS if row.plugin} - Image.OPEN.keys():
        Image.init()
    image = Image.linear_gradient("L").resize((_WARM_SIDE, _WARM_SIDE)).convert("RGB")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for row in FORMATS:
        if row.name in Image.SAVE:
            file = io.BytesIO()
            image.save(file, row.name, icc_profile=profile)
            inside.rehearse(file.getvalue())


def _parts_of(wall: Wall) -> Part:
    """What of the wall can be built on this system, found by a process that builds it."""
    pid = os.fork()
    if pid == 0:
        os._exit(int(wall.close_in(Allowance(64 * _MIB, 1.0))))
    return Part(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


class _Nursery:
    """Forks rooms, ends them when it is told to, and tells how they ended."""

    def __init__(self, control: socket.socket, woken: int, wall: Wall, serve: Serve) -> None:
        self._control = control
        self._wall = wall
        self._woken = woken
        self._serve = serve
        self._serials: dict[int, int] = {}

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._woken:
                    with suppress(BlockingIOError):
                        os.read(self._woken, 512)
                elif not self._order():
                    return
            self._reap()

    def _order(self) -> bool:
        """Whether there was one."""
        data, fds = b"", list[int]()
        while len(data) < Job.size():
            piece, more, _, _ = socket.recv_fds(self._control, Job.size() - len(data), JOB_FDS)
            if not piece:
                return False
            data, fds = data + piece, fds + more
        job = Job.unpack(data)
        if job.order == Order.KILL:
            for pid, serial in self._serials.items():
                if serial == job.serial:
                    os.kill(pid, signal.SIGKILL)  # not reaped yet, so it is still the room's
        else:
            self._open(job, fds)
        return True

    def _open(self, job: Job, fds: list[int]) -> None:
        try:
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                _be_a_room(job, fds, parent, self._wall, self._serve)
            self._serials[pid] = job.serial
        except OSError:  # no process to be had
            self._control.sendall(Ended(job.serial, -1).pack())
        finally:
            for fd in fds:
                os.close(fd)

    def _reap(self) -> None:
        while self._serials:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            peak_bytes = used.ru_maxrss * _MAXRSS_BYTES
            ended = Ended(self._serials.pop(pid), status, peak_bytes, used.ru_utime + used.ru_stime)
            self._control.sendall(ended.pack())


def _be_a_room(job: Job, fds: list[int], parent: int, wall: Wall, serve: Serve) -> None:
    """The life of a room; never returns."""
    try:
        wall.end_with_parent(parent)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel_fd, file_fd, pixels_fd = fds
        data = _read(file_fd, job.file_bytes)
        pixels = mmap.mmap(pixels_fd, job.pixel_bytes) if job.pixel_bytes else mmap.mmap(-1, 1)
        os.dup2(channel_fd, _CHANNEL_FD)
        os.closerange(_CHANNEL_FD + 1, os.sysconf("SC_OPEN_MAX"))
        workers = inside.Workers(job.threads)
        wall.close_in(Allowance(job.memory_bytes, job.cpu_s))
        serve(inside.Room(job, data, memoryview(pixels), _Pipe(_CHANNEL_FD)), workers)
    finally:
        os._exit(0)


def _read(fd: int, size: int) -> bytes:
    with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
        file.seek(0)
        return file.read(size)


class _Pipe:
    """The room's end of its socket."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def read(self) -> bytes:
        data = b""
        while len(data) < Request.size():
            piece = os.read(self._fd, Request.size() - len(data))
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
