"""The service's side of the zygote: starts it, requests rooms, ends them, and restarts it if it ends."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from shared_code.room.messages import MAY_GO_ON, MAY_NOT_GO_ON, Ended, Job, Order
from shared_code.room.wall import WHOLE, Part, lacking
from shared_code.settings import loader_environment

log = logging.getLogger(__name__)

ZYGOTE = "shared_code.room.zygote"
_PROGRAM = """
import importlib, sys
control, module, *sys.path = sys.argv[1:]
importlib.import_module(module).main(int(control))
"""
_HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Pages of 2 MiB, where the system grants them on request (madvise(2)). A killed decoder of 1 GB is gone
several times sooner, because the kernel frees memory page by page, and large pictures take fewer faults."""
_START_S = 30
_END_S = 5


@dataclass(frozen=True)
class End:
    """How a room's process ended, and by which signal, if any; unknown if the zygote ended with it.

    It had used `peak_bytes` of memory, what it shares included, and `cpu_s` seconds of CPU time.
    """

    signal: int | None
    unknown: bool = False
    peak_bytes: int = 0
    cpu_s: float = 0.0

    @classmethod
    def of(cls, message: Ended) -> "End":
        """From the zygote's message."""
        status = message.status
        if status < 0:  # no process could be made
            return cls(None, unknown=True)
        killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return cls(killed_by, False, message.peak_bytes, message.cpu_s)

    def __str__(self) -> str:
        if self.unknown:
            return "unknown"
        if self.signal is None:
            return "exit"
        with suppress(ValueError):
            return signal.Signals(self.signal).name
        return f"signal {self.signal}"


class Zygote:
    """Keeps one zygote running. All methods may be called on any thread."""

    def __init__(self, module: str = ZYGOTE) -> None:
        """Starts it without waiting. `module` is its program."""
        self._module = module
        self._lock = threading.Lock()
        self._serial = 0
        self._closed = False
        self._generation = self._started()

    @property
    def wall(self) -> Part:
        """The parts of the sandbox that work on this system; waits until the zygote is ready."""
        with suppress(TimeoutError):
            return self._generation.wall.result(_START_S)
        return Part(0)

    @property
    def wall_if_known(self) -> Part | None:
        """The same, without waiting."""
        wall = self._generation.wall
        return wall.result() if wall.done() else None

    @property
    def pid(self) -> int:
        """Id of the current process."""
        return self._generation.process.pid

    def open(self, job: Job, fds: Sequence[int]) -> "Birth":
        """A room for `job`, which gets its serial number here. Raises OSError if none can be made."""
        with self._lock:
            self._serial += 1
            job = replace(job, serial=self._serial)
            for last in (False, True):
                if self._generation.ended.is_set() and not self._closed:
                    self._generation = self._started()
                try:
                    return self._generation.open(job, fds)
                except OSError:
                    if last:
                        raise
                    self._generation.ended.wait(_END_S)
        raise AssertionError

    def close(self) -> None:
        """End it, and all rooms with it."""
        with self._lock:
            self._closed = True
            self._generation.close()

    def _started(self) -> "_Generation":
        return _Generation(self._module)


@dataclass(frozen=True)
class Birth:
    """A requested room: its ending, and a way to end it."""

    ended: "Future[End]"
    _generation: "_Generation"
    _serial: int

    def kill(self) -> None:
        """End it at once; it may have ended."""
        self._generation.kill(self._serial)

    def go_on(self, job: Job) -> bool:
        """Raise its limits to those of `job`; False if that fails or it has ended. Waits for the zygote."""
        return self._generation.go_on(replace(job, order=Order.GO_ON, serial=self._serial))


class _Generation:
    """One process, from its start to its end."""

    def __init__(self, module: str) -> None:
        ours, its = socket.socketpair()
        self.ended = threading.Event()
        self.wall: Future[Part] = Future()
        self._control = ours
        self._sending = threading.Lock()
        self._rooms: dict[int, Future[End]] = {}
        self._going_on: dict[int, Future[bool]] = {}
        with its:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
                [
                    sys.executable,
                    "-ISs",
                    "-X",
                    "utf8",
                    "-W",
                    "ignore",
                    "-c",
                    _PROGRAM,
                    str(its.fileno()),
                    module,
                ]
                + [path or str(Path.cwd()) for path in sys.path],
                cwd="/",
                env=loader_environment() | _HUGE_PAGES,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                start_new_session=True,  # Ctrl-C goes to the service, which completes running calls
            )
        threading.Thread(target=self._listen, name="zygote", daemon=True).start()

    def open(self, job: Job, fds: Sequence[int]) -> Birth:
        """Raises OSError when the process has ended."""
        future = self._rooms[job.serial] = Future[End]()
        future.set_running_or_notify_cancel()  # it continues even if nobody waits any more
        try:
            self._send(job, fds)
        except OSError:
            self._rooms.pop(job.serial, None)
            raise
        return Birth(future, self, job.serial)

    def kill(self, serial: int) -> None:
        """End a room."""
        if serial in self._rooms:
            with suppress(OSError):  # the zygote has ended, and its rooms with it
                self._send(Job(Order.KILL, serial), ())

    def go_on(self, job: Job) -> bool:
        """Raise a room's limits to those of `job`."""
        future = self._going_on[job.serial] = Future[bool]()
        try:
            if job.serial not in self._rooms:
                return False
            self._send(job, ())
            return future.result(_END_S)
        except OSError:  # the zygote has ended, or does not answer
            return False
        finally:
            self._going_on.pop(job.serial, None)

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_END_S)

    def _send(self, job: Job, fds: Sequence[int]) -> None:
        data = job.pack()
        with self._sending:
            if self.ended.is_set():
                raise BrokenPipeError
            sent = socket.send_fds(self._control, [data], fds) if fds else self._control.send(data)
            if sent < len(data):
                self._control.sendall(data[sent:])

    def _listen(self) -> None:
        size = Ended.size()
        with suppress(OSError):
            while len(data := self._control.recv(size, socket.MSG_WAITALL)) == size:
                message = Ended.unpack(data)
                if message.serial == 0:
                    self._ready(Part(message.status))
                elif message.status in (MAY_GO_ON, MAY_NOT_GO_ON):
                    self._may_go_on(message.serial, message.status == MAY_GO_ON)
                elif room := self._rooms.pop(message.serial, None):
                    room.set_result(End.of(message))
                    self._may_go_on(message.serial, False)
        self._over()

    def _may_go_on(self, serial: int, it_may: bool) -> None:
        if waiting := self._going_on.pop(serial, None):
            waiting.set_result(it_may)

    def _ready(self, wall: Part) -> None:
        if wall != WHOLE:
            log.warning("the sandbox for decoding lacks: %s", ", ".join(lacking(wall)))
        self.wall.set_result(wall)

    def _over(self) -> None:
        """The process has ended, and the kernel has ended its rooms with it."""
        with self._sending:
            self.ended.set()
        self.process.wait()
        self._control.close()
        if not self.wall.done():
            self.wall.set_result(Part(0))
        while self._rooms:
            with suppress(KeyError):
                serial, room = self._rooms.popitem()
                room.set_result(End(None, unknown=True))
                self._may_go_on(serial, False)
