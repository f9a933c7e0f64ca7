"""The record of one picture. Both edges make it when the answer has ended, whatever the ending."""

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
    """The edge by which the picture came."""

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
class VisitRecord:
    """What is recorded of a picture when its visit has ended.

    `id` is the request's, or the queue message's; `client_id` is what the caller named the request. `caller`
    and `mode` are None if the call ended before they were known; `bytes_in` counts the bytes of the picture's
    file that arrived. `error_id` is that of the documented error; `url_fault` and `image_fault` say why it is
    E-URL or E-FORMAT. REFUSED or FAILED: the caller got an error document. For a blob, one is stored if the
    picture is at fault; otherwise the event is tried again. LEFT: the caller went away, or the process was
    ended. STALLED: the caller stopped reading. LATE: the deadline passed. CHANGED: the blob or its output was
    written by somebody else meanwhile. After LEFT, STALLED and LATE the PNG is incomplete. `began` is in
    seconds since 1970 (UTC); stages count milliseconds from it. `queue_age_s` is how old the event was at the
    end. `trace_context` holds the caller's `traceparent` and `tracestate`, as W3C Trace Context has them.
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


class RecordSink(Protocol):
    """A receiver of every picture's record."""

    def __call__(self, record: VisitRecord, /) -> None:
        """Take the record; must be quick; called on any thread."""


def told(*sinks: RecordSink | None) -> RecordSink:
    """One sink that passes each record to all of these."""
    wanted = [sink for sink in sinks if sink is not None]

    def tell(record: VisitRecord) -> None:
        for sink in wanted:
            sink(record)

    return tell


def log_record(record: VisitRecord) -> None:
    """The sink that writes one line to the log for each picture."""
    findings = record.findings
    stages = " ".join(f"{stage.name}={stage.milliseconds:.0f}" for stage in record.stages)
    log.info(
        "picture %s: edge=%s caller=%s client_id=%s ending=%s mode=%s format=%s bytes_in=%d network=%s "
        "cold_start=%s megapixels=%s uncertainty=%s error=%s reason=%s bytes=%d ms=%.0f %s",
        record.id,
        record.edge,
        record.caller or "-",
        record.client_id or "-",
        record.ending,
        record.mode or "-",
        findings.format or "-",
        record.bytes_in,
        findings.network or "-",
        "-" if findings.cold_start is None else str(findings.cold_start).lower(),
        "-" if findings.megapixels is None else f"{findings.megapixels:.2f}",
        "-" if findings.uncertainty is None else f"{findings.uncertainty:.2f}",
        record.error_id or "-",
        (record.reason or "-").replace(" ", "_"),
        record.bytes_out,
        record.milliseconds,
        stages,
    )
