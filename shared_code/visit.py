"""One picture's visit, from the first byte of the request or event to the end of its answer.

An edge creates and enters it. Everything that works on the picture gets the visit, or the part that it needs.
When the visit is left, the memory of the file is released, and the sink gets the record.
"""

import asyncio
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from shared_code.deadline import Deadline
from shared_code.errors import ImageFormatInvalid, InternalError, SegmentError, UrlNotAccessible
from shared_code.modes import Mode
from shared_code.progress import Abandoned, Findings, Progress
from shared_code.record import Edge, Ending, RecordSink, VisitRecord
from shared_code.waiting import Hold


@dataclass(frozen=True)
class Arrival:
    """How a picture came in: `id` is the request's, or the queue message's.

    `trace_context` holds the caller's `traceparent` and `tracestate`, as W3C Trace Context has them.
    `queued_at`: when its event came, in seconds since 1970 (UTC); None where there is no event. `client_id`:
    what the caller named the request, if that is the form of an id.
    """

    id: str
    edge: Edge
    trace_context: Mapping[str, str] = field(default_factory=dict)
    queued_at: float | None = None
    client_id: str | None = None


class Visit:
    """The state of one picture while it is processed: a context manager, to be entered once.

    Unless the ending was set before, it ends as SENT when it is left without an error, and otherwise as the
    error says. The error is raised further, and its frames no longer hold the picture.
    """

    def __init__(self, arrival: Arrival, deadline: Deadline, held: Hold, sink: RecordSink) -> None:
        """`held` is what the picture has of the queue."""
        self.id = arrival.id
        self.deadline = deadline
        self.held = held
        self.progress = Progress()
        self.mode: Mode | None = None
        """The requested mode, once it is known."""
        self.bytes_in = 0
        """Bytes of the picture's file that have arrived."""
        self.bytes_out = 0
        self._arrival = arrival
        self._sink = sink
        self._ending: Ending | None = None

    @property
    def caller(self) -> str | None:
        """The caller's name, once it is known; None where no key is needed."""
        return self.held.caller

    @caller.setter
    def caller(self, name: str | None) -> None:
        self.held.caller = name

    @property
    def findings(self) -> Findings:
        """What is known about the picture so far."""
        return self.progress.findings

    @property
    def ending(self) -> Ending | None:
        """The ending; None until then."""
        return self._ending

    def arriving(self, size_bytes: int) -> None:
        """Count bytes that have arrived. Raises TooManyRequests when files use too much memory."""
        self.bytes_in += size_bytes
        self.held.grow(size_bytes)

    def end(self, ending: Ending, error: SegmentError | None = None) -> None:
        """End the visit and pass its record to the sink. Only the first call has an effect."""
        if self._ending is not None:
            return
        self._ending = ending
        arrival, progress = self._arrival, self.progress
        self._sink(
            VisitRecord(
                id=arrival.id,
                edge=arrival.edge,
                ending=ending,
                caller=self.caller,
                mode=self.mode,
                findings=self.findings,
                error_id=None if error is None else error.id,
                url_fault=error.fault if isinstance(error, UrlNotAccessible) else None,
                image_fault=error.fault if isinstance(error, ImageFormatInvalid) else None,
                client_id=arrival.client_id,
                bytes_in=self.bytes_in,
                bytes_out=self.bytes_out,
                began=progress.began,
                milliseconds=progress.elapsed_ms,
                stages=progress.stages,
                queue_age_s=None if arrival.queued_at is None else time.time() - arrival.queued_at,
                trace_context=arrival.trace_context,
            )
        )

    def end_with(self, error: BaseException) -> None:
        """End the visit as the error says, and clear the frames of the error."""
        _clear_frames(error)
        match error:
            case SegmentError():
                self.end(Ending.REFUSED if error.status < 500 else Ending.FAILED, error)
            case Abandoned():
                self.end(Ending.LEFT)
            case asyncio.CancelledError() if self.deadline.left_s == 0:
                self.end(Ending.LATE)
            case Exception():
                self.end(Ending.FAILED, InternalError())
            case _:  # cancelled: nobody is there to be answered
                self.end(Ending.LEFT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.release()
        if error is None:
            self.end(Ending.SENT)
        else:
            self.end_with(error)


def _clear_frames(error: BaseException) -> None:
    """Clear the frames that an error has come through, and those of the errors before it.

    A task holds its error, the error holds the frame that awaits the task, and the frame holds the task.
    Without this, the picture of a refused call would stay in memory until a full garbage collection.
    """
    raised: BaseException | None = error
    while raised is not None:
        traceback.clear_frames(raised.__traceback__)
        raised = raised.__context__
