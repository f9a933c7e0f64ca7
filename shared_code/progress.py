"""The progress of one picture: its stages, its findings, and whether it was abandoned."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class StageName(StrEnum):
    """The stages of a picture, by the order in which they begin; some run side by side."""

    RECEIVE = "receive"
    HEADER = "header"
    WAIT = "wait"
    PREVIEW = "preview"
    DECODE = "decode"
    NETWORK = "network"
    MATTE = "matte"
    COLOURS = "colours"
    ENCODE = "encode"
    SEND = "send"


@dataclass(frozen=True)
class Stage:
    """One stage that has ended: `begin_ms` and `end_ms` count from the beginning of the whole."""

    name: StageName
    begin_ms: float
    end_ms: float

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return self.end_ms - self.begin_ms


@dataclass(frozen=True)
class Findings:
    """What was found out about a picture, None as long as it is not known.

    format: the name of its format, told by how it begins. network: the name of the one it was shown to.
    cold_start: whether no picture had been cut out yet when it came, so that it may have waited for the
    process to get ready. megapixels: of the picture that came. uncertainty: how undecided the network was,
    0 sure .. 1. second_look: whether networks were run more than once.
    """

    megapixels: float | None = None
    uncertainty: float | None = None
    second_look: bool | None = None
    format: str | None = None
    network: str | None = None
    cold_start: bool | None = None


class Abandoned(Exception):  # noqa: N818
    """The caller of the picture has gone."""


class Progress:
    """Followed by the edge, written by whatever works on the picture, on any thread.

    A stage that is not begun yet is not begun any more after `abandon`, and a process that reads the picture
    is ended in the middle of its work; the network cannot be interrupted, but no run of it lasts long.
    """

    def __init__(self) -> None:
        self.began = time.time()
        """Seconds since 1970 (UTC)."""
        self.findings = Findings()
        """Replaced by a fuller one whenever a stage has found something out."""
        self._zero = time.monotonic()
        self._stages: list[Stage] = []
        self._abandoned = False
        self._on_abandon: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def abandoned(self) -> bool:
        """Whether the caller of the picture has gone."""
        return self._abandoned

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the beginning."""
        return (time.monotonic() - self._zero) * 1000

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those that have ended, by their beginning."""
        return tuple(sorted(self._stages, key=lambda stage: stage.begin_ms))

    @contextmanager
    def stage(self, name: StageName) -> Iterator[None]:
        """Measure the block's time, whether or not it succeeds. Raises Abandoned before it begins."""
        if self._abandoned:
            raise Abandoned
        begin_ms = self.elapsed_ms
        try:
            yield
        finally:
            self.ended(name, begin_ms)

    def ended(self, name: StageName, begin_ms: float) -> None:
        """Note a stage that is not one block of code: it began at `begin_ms` and ends now."""
        self._stages.append(Stage(name, begin_ms, self.elapsed_ms))

    def on_abandon(self, act: Callable[[], None]) -> None:
        """Have `act` called when the work is given up; at once if it has been."""
        with self._lock:
            if not self._abandoned:
                self._on_abandon.append(act)
                return
        act()

    def abandon(self) -> None:
        """Begin no further stage, and end what can be ended."""
        with self._lock:
            self._abandoned = True
            acts, self._on_abandon = self._on_abandon, []
        for act in acts:
            act()
