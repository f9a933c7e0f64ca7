"""One picture's visit, from the first byte of the request or event to the end of its answer.

An edge makes it and enters it; whatever works on the picture is given it, or the part of it that it needs.
On leaving, the memory of the file is given back, and the sink is told how the visit ended.
"""

import asyncio
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from shared_code.admission import Hold
from shared_code.deadline import Deadline
from shared_code.errors import ImageFormatInvalid, InternalError, SegmentError, UrlNotAccessible
from shared_code.modes import Mode
from shared_code.outcome import Edge, Ending, Outcome, OutcomeSink
from shared_code.progress import Abandoned, Findings, Progress


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
    """What the service knows of one picture while it is here: a context manager, to be entered once.

    It ends as SENT when it is left without an error and nothing else was said, otherwise as the error that
    left it tells. The error goes on, without what its frames hold.
    """

    def __init__(self, arrival: Arrival, deadline: Deadline, held: Hold, sink: OutcomeSink) -> None:
        """`held` is what the picture's file takes of the memory budget."""
        self.id = arrival.id
        self.deadline = deadline
        self.held = held
        self.progress = Progress()
        self.mode: Mode | None = None
        """What is asked for, once that is known."""
        self.caller: str | None = None
        """The name of whoever asks, once that is known; None where nobody has to say."""
        self.bytes_in = 0
        """Of the picture's file, or what has come of it."""
        self.bytes_out = 0
        self._arrival = arrival
        self._sink = sink
        self._ending: Ending | None = None

    @property
    def findings(self) -> Findings:
        """What was found out about the picture so far."""
        return self.progress.findings

    @property
    def ending(self) -> Ending | None:
        """How it ended, None while it lasts."""
        return self._ending

    def arriving(self, size_bytes: int) -> None:
        """So many more bytes have come. Raises TooManyRequests when all files together are too many."""
        self.bytes_in += size_bytes
        self.held.grow(size_bytes)

    def end(self, ending: Ending, error: SegmentError | None = None) -> None:
        """Tell the sink how the visit ended. Whatever comes after the first end changes nothing."""
        if self._ending is not None:
            return
        self._ending = ending
        arrival, progress = self._arrival, self.progress
        self._sink(
            Outcome(
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
        """The end that an error means. Nothing of the picture stays in the error's frames."""
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

    A task holds its error, that the frame that awaits the task, and that the task. The picture of a refused
    call would stay in memory until the garbage collector looks at everything, some day.
    """
    raised: BaseException | None = error
    while raised is not None:
        traceback.clear_frames(raised.__traceback__)
        raised = raised.__context__
