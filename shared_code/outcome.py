"""What became of one picture: a record made when its answer has ended, however it ended, by both edges."""

import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from shared_code.errors import InternalError, SegmentError, UrlFault, UrlNotAccessible
from shared_code.progress import Abandoned, Progress, Stage

log = logging.getLogger(__name__)


TRACE_HEADERS = ("traceparent", "tracestate")
"""Of W3C Trace Context."""


class Edge(StrEnum):
    """Where the picture came in."""

    HTTP = "http"
    BLOB = "blob"


class Ending(StrEnum):
    """How the answer ended."""

    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    LEFT = "left"
    STALLED = "stalled"
    LATE = "late"


@dataclass(frozen=True)
class Outcome:
    """One picture that is done with.

    `id` is the request's, or the queue message's. `mode` and `megapixels` are None when it did not come that
    far; `error_id` is the documented error's. A REFUSED or FAILED picture got an error document; LEFT says
    that the caller went away, STALLED that he read nothing any more, LATE that the call's time was over:
    his PNG, if he got any of it, is cut short. `began` is in seconds since 1970 (UTC), the stages count
    milliseconds from there. `queue_age_s` is how old the event was at the end. `trace_context` holds the
    caller's `traceparent` and `tracestate`, as W3C Trace Context has them.
    """

    id: str
    edge: Edge
    ending: Ending
    mode: str | None
    megapixels: float | None
    uncertainty: float | None
    error_id: str | None
    bytes_out: int
    began: float
    milliseconds: float
    stages: tuple[Stage, ...]
    second_look: bool = False
    url_fault: UrlFault | None = None
    queue_age_s: float | None = None
    trace_context: Mapping[str, str] = field(default_factory=dict)


class OutcomeSink(Protocol):
    """Whoever wants to know of every picture."""

    def __call__(self, outcome: Outcome, /) -> None:
        """Take note; quick, and called on any thread."""


def told(*sinks: OutcomeSink | None) -> OutcomeSink:
    """One sink that tells all of these."""
    wanted = [sink for sink in sinks if sink is not None]

    def tell(outcome: Outcome) -> None:
        for sink in wanted:
            sink(outcome)

    return tell


def log_outcome(outcome: Outcome) -> None:
    """The sink that writes the one line of log which a picture gets."""
    stages = " ".join(f"{stage.name}={stage.milliseconds:.0f}" for stage in outcome.stages)
    log.info(
        "picture %s: edge=%s ending=%s mode=%s megapixels=%s uncertainty=%s error=%s bytes=%d ms=%.0f %s",
        outcome.id,
        outcome.edge,
        outcome.ending,
        outcome.mode or "-",
        "-" if outcome.megapixels is None else f"{outcome.megapixels:.2f}",
        "-" if outcome.uncertainty is None else f"{outcome.uncertainty:.2f}",
        outcome.error_id or "-",
        outcome.bytes_out,
        outcome.milliseconds,
        stages,
    )


class Record:
    """What an edge gathers about one picture while it is under way; `end` makes the Outcome of it."""

    def __init__(
        self,
        id: str,
        edge: Edge,
        sink: OutcomeSink,
        trace_context: Mapping[str, str] | None = None,
        queued_at: float | None = None,
    ) -> None:
        """`queued_at`: when the event of it came, in seconds since 1970 (UTC)."""
        self.id = id
        self.progress = Progress()
        self.mode: str | None = None
        self.bytes_out = 0
        self._edge = edge
        self._sink = sink
        self._trace_context = trace_context or {}
        self._queued_at = queued_at
        self._ended = False

    def end(self, ending: Ending, error: SegmentError | None = None) -> None:
        """Hand the outcome to the sink. Whatever comes after the first end changes nothing."""
        if self._ended:
            return
        self._ended = True
        progress = self.progress
        self._sink(
            Outcome(
                id=self.id,
                edge=self._edge,
                ending=ending,
                mode=self.mode,
                megapixels=progress.megapixels,
                uncertainty=progress.uncertainty,
                error_id=None if error is None else error.id,
                bytes_out=self.bytes_out,
                began=progress.began,
                milliseconds=progress.elapsed_ms,
                stages=progress.stages,
                second_look=progress.second_look,
                url_fault=error.fault if isinstance(error, UrlNotAccessible) else None,
                queue_age_s=None if self._queued_at is None else time.time() - self._queued_at,
                trace_context=self._trace_context,
            )
        )

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Ends the record with what is raised inside, and raises it again without what its frames hold."""
        try:
            yield
        except BaseException as error:
            self._end_with(error)
            _let_go(error)
            raise

    def _end_with(self, error: BaseException) -> None:
        match error:
            case SegmentError():
                self.end(Ending.REFUSED if error.status < 500 else Ending.FAILED, error)
            case Abandoned():
                self.end(Ending.LEFT)
            case Exception():
                self.end(Ending.FAILED, InternalError())
            case _:  # cancelled: nobody is there to be answered
                self.end(Ending.LEFT)


def _let_go(error: BaseException) -> None:
    """Clear the frames that an error has come through, and those of the errors before it.

    A task holds its error, that the frame that awaits the task, and that the task. The picture of a refused
    call would stay in memory until the garbage collector looks at everything, some day.
    """
    raised: BaseException | None = error
    while raised is not None:
        traceback.clear_frames(raised.__traceback__)
        raised = raised.__context__
