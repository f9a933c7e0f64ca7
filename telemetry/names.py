"""The names of spans, metrics and their attributes: the contract with workbooks and alerts.

They follow the naming rules of OpenTelemetry's semantic conventions, which have `error.type` and
`faas.coldstart`. Units are UCUM's. docs/operations.md says what each number means, and a test holds both to
this module.
"""

from dataclasses import dataclass
from typing import Literal

SCOPE = "segment_function"
SPAN = "picture"
"""The span of a picture; each of its stages is a child with the stage's name."""

REQUEST_ID = "segment.request.id"
EDGE = "segment.edge"
CALLER = "segment.caller"
CLIENT_ID = "segment.client.request.id"
MODE = "segment.mode"
NETWORK = "segment.network"
ENDING = "segment.ending"
STAGE = "segment.stage"
SIZE = "segment.picture.size"
FORMAT = "segment.picture.format"
INPUT_BYTES = "segment.input.bytes"
MEGAPIXELS = "segment.picture.megapixels"
UNCERTAINTY = "segment.uncertainty"
OUTPUT_BYTES = "segment.output.bytes"
REASON = "segment.reason"
ERROR = "error.type"
COLD_START = "faas.coldstart"


@dataclass(frozen=True)
class Metric:
    """One metric and the attributes its points have."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    attributes: tuple[str, ...] = ()


PICTURES = Metric(
    "segment.pictures",
    "counter",
    "{picture}",
    "Pictures by how they ended.",
    (EDGE, CALLER, MODE, ENDING, SIZE),
)
REFUSALS = Metric(
    "segment.refusals", "counter", "{picture}", "Pictures that got an error document.", (EDGE, ERROR)
)
URL_REFUSALS = Metric(
    "segment.url.refusals", "counter", "{url}", "Image URLs that were not fetched.", (REASON,)
)
SECOND_LOOKS = Metric(
    "segment.second_looks",
    "counter",
    "{picture}",
    "Pictures that took more than one run of the network.",
    (EDGE,),
)
DURATION = Metric(
    "segment.picture.duration",
    "histogram",
    "s",
    "First byte in to last byte out.",
    (EDGE, CALLER, MODE, ENDING),
)
STAGE_DURATION = Metric("segment.stage.duration", "histogram", "s", "A stage of a picture.", (EDGE, STAGE))
PICTURE_MEGAPIXELS = Metric(
    MEGAPIXELS, "histogram", "{megapixel}", "Size of the pictures that came.", (EDGE, CALLER, MODE)
)
OUTPUT = Metric(OUTPUT_BYTES, "histogram", "By", "Size of what was sent.", (EDGE, CALLER, MODE))
DOUBT = Metric(UNCERTAINTY, "histogram", "1", "How undecided the network was.", (EDGE, MODE))
QUEUE_AGE = Metric("segment.queue.age", "histogram", "s", "From the event's arrival to its cut-out's end.")
SLOTS_USED = Metric("segment.slots.used", "gauge", "{slot}", "Pictures worked on.")
SLOTS_WAITING = Metric("segment.slots.waiting", "gauge", "{picture}", "Pictures that wait to be worked on.")
MEMORY_RESERVED = Metric("segment.memory.reserved", "gauge", "By", "Of the budget, what pictures hold.")

METRICS = (
    PICTURES,
    REFUSALS,
    URL_REFUSALS,
    SECOND_LOOKS,
    DURATION,
    STAGE_DURATION,
    PICTURE_MEGAPIXELS,
    OUTPUT,
    DOUBT,
    QUEUE_AGE,
    SLOTS_USED,
    SLOTS_WAITING,
    MEMORY_RESERVED,
)

_SIZES = ((1, "below 1"), (4, "1 to 4"), (16, "4 to 16"))


def size_of(megapixels: float | None) -> str:
    """A picture's size in few words, so that a metric has few series."""
    if megapixels is None:
        return "unknown"
    return next((words for limit, words in _SIZES if megapixels < limit), "16 and more")
