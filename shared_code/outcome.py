"""The record of one picture, made by both edges when its answer has ended, however it ended."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from shared_code.errors import ImageFault, UrlFault
from shared_code.progress import Findings, Stage

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
    CHANGED = "changed"


@dataclass(frozen=True)
class Outcome:
    """One picture that is done with.

    `id` is the request's, or the queue message's; `client_id` is what the caller named the request.
    `caller` and `mode` are None when it did not come that far; `bytes_in` is the size of the picture's file,
    or what has come of it. `error_id` is the documented error's, `url_fault` and `image_fault` say why it is
    E-URL or E-FORMAT. REFUSED or FAILED: the caller got an error document; a blob has one
    if its picture is at fault, and is tried again otherwise. LEFT: the caller went away, or the process was
    ended. STALLED: the caller stopped reading. LATE: the deadline passed. CHANGED: the blob or its output was
    written by somebody else meanwhile. After LEFT, STALLED and LATE the PNG, if any of it was sent, is cut
    short. `began` is in seconds since 1970 (UTC), the stages count
    milliseconds from there. `queue_age_s` is how old the event was at the end. `trace_context` holds the
    caller's `traceparent` and `tracestate`, as W3C Trace Context has them.
    """

    id: str
    edge: Edge
    ending: Ending
    mode: str | None
    error_id: str | None
    bytes_out: int
    began: float
    milliseconds: float
    stages: tuple[Stage, ...]
    findings: Findings = field(default_factory=Findings)
    url_fault: UrlFault | None = None
    image_fault: ImageFault | None = None
    queue_age_s: float | None = None
    caller: str | None = None
    client_id: str | None = None
    bytes_in: int = 0
    trace_context: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why the picture, or its URL, was refused; None where the error itself says it."""
        return self.url_fault or self.image_fault


class OutcomeSink(Protocol):
    """A receiver of every picture's record."""

    def __call__(self, outcome: Outcome, /) -> None:
        """Take the record; must be quick; called on any thread."""


def told(*sinks: OutcomeSink | None) -> OutcomeSink:
    """One sink that passes each record to all of these."""
    wanted = [sink for sink in sinks if sink is not None]

    def tell(outcome: Outcome) -> None:
        for sink in wanted:
            sink(outcome)

    return tell


def log_outcome(outcome: Outcome) -> None:
    """The sink that writes the one line of log which a picture gets."""
    findings = outcome.findings
    stages = " ".join(f"{stage.name}={stage.milliseconds:.0f}" for stage in outcome.stages)
    log.info(
        "picture %s: edge=%s caller=%s client_id=%s ending=%s mode=%s format=%s bytes_in=%d network=%s "
        "cold_start=%s megapixels=%s uncertainty=%s error=%s reason=%s bytes=%d ms=%.0f %s",
        outcome.id,
        outcome.edge,
        outcome.caller or "-",
        outcome.client_id or "-",
        outcome.ending,
        outcome.mode or "-",
        findings.format or "-",
        outcome.bytes_in,
        findings.network or "-",
        "-" if findings.cold_start is None else str(findings.cold_start).lower(),
        "-" if findings.megapixels is None else f"{findings.megapixels:.2f}",
        "-" if findings.uncertainty is None else f"{findings.uncertainty:.2f}",
        outcome.error_id or "-",
        (outcome.reason or "-").replace(" ", "_"),
        outcome.bytes_out,
        outcome.milliseconds,
        stages,
    )
