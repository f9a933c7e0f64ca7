"""The progress of one picture: its stages, its findings, and whether it was abandoned."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from shared_code.matte.subject import PixelBox


class StageName(StrEnum):
    """The stages of a picture, in the order in which they begin; some run in parallel."""

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
    """What is known about a picture; None for what is not known yet.

    format: the name of its format, recognised by its first bytes. network: the name of the network that ran.
    cold_start: whether it came before the first cut-out, and so may have waited for the process to get
    ready. megapixels: of the input. uncertainty: how undecided the network was,
    0 sure .. 1. second_look: whether networks were run more than once. box: of the upright picture, what is
    answered of it where only the subject is asked for.
    """

    megapixels: float | None = None
    uncertainty: float | None = None
    second_look: bool | None = None
    format: str | None = None
    network: str | None = None
    cold_start: bool | None = None
    box: PixelBox | None = None


class Abandoned(Exception):  # noqa: N818
    """The caller of the picture has gone."""


class Progress:
    """Read by the edge, and written by everything that works on the picture, on any thread.

    After `abandon` no further stage begins. A process that reads the picture, and a run of a network, are
    stopped at once; other work ends within milliseconds.
    """

    def __init__(self) -> None:
        self.began = time.time()
        """Seconds since 1970 (UTC)."""
        self.findings = Findings()
        """Replaced whenever a stage has found out more."""
        self._zero = time.monotonic()
        self._stages: list[Stage] = []
        self._abandoned = False
        self._on_abandon: list[Callable[[], None]] = []
        self._lock = threading.RLock()  # collecting garbage may abandon while it is held, see stream.py

    @property
    def abandoned(self) -> bool:
        """Whether the caller of the picture has gone."""
        return self._abandoned

    def check(self) -> None:
        """Raises Abandoned when the caller of the picture has gone."""
        if self._abandoned:
            raise Abandoned

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the beginning."""
        return (time.monotonic() - self._zero) * 1000

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that have ended, sorted by their beginning."""
        return tuple(sorted(self._stages, key=lambda stage: stage.begin_ms))

    @contextmanager
    def stage(self, name: StageName) -> Iterator[None]:
        """Measure the block's time, whether or not it succeeds. Raises Abandoned before it begins."""
        self.check()
        begin_ms = self.elapsed_ms
        try:
            yield
        finally:
            self.ended(name, begin_ms)

    def ended(self, name: StageName, begin_ms: float) -> None:
        """Note a stage that is not one block of code: it began at `begin_ms` and ends now."""
        self._stages.append(Stage(name, begin_ms, self.elapsed_ms))

    def on_abandon(self, act: Callable[[], None]) -> None:
        """Call `act` when the work is abandoned; at once if it has been."""
        with self._lock:
            if not self._abandoned:
                self._on_abandon.append(act)
                return
        act()

    def abandon(self) -> None:
        """Begin no further stage, and stop what can be stopped."""
        with self._lock:
            self._abandoned = True
            acts, self._on_abandon = self._on_abandon, []
        for act in acts:
            act()
