"""Spans and metrics of one picture, with the SDK's own exporters in memory."""

from dataclasses import replace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from shared_code.errors import ImageFault, UrlFault
from shared_code.progress import Findings, Stage, StageName
from shared_code.record import Edge, Ending, VisitRecord
from telemetry import names
from telemetry.recorder import Recorder

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = VisitRecord(
    id="an-id",
    edge=Edge.HTTP,
    ending=Ending.SENT,
    mode="backgroundRemoval",
    findings=Findings(megapixels=12.0, uncertainty=0.04, format="JPEG", network="u2net", cold_start=False),
    caller="shop",
    client_id="a-7",
    bytes_in=2_000_000,
    error_id=None,
    bytes_out=7_800_000,
    began=1_700_000_000.0,
    milliseconds=320.0,
    stages=(
        Stage(StageName.DECODE, 10, 60),
        Stage(StageName.NETWORK, 20, 120),
        Stage(StageName.SEND, 200, 320),
    ),
    trace_context={"traceparent": f"00-{TRACE}-{PARENT}-01"},
)
REFUSED = replace(SENT, ending=Ending.REFUSED, error_id="E-FORMAT", mode=None, findings=Findings(), stages=())


class Memory:
    """A recorder, and what it has recorded."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.recorder = Recorder(tracers, MeterProvider([self._reader]))

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._spans.get_finished_spans()}

    @property
    def points(self) -> dict[str, list[NumberDataPoint | HistogramDataPoint]]:
        data = self._reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        return {metric.name: list(metric.data.data_points) for metric in scope.metrics}  # type: ignore[arg-type]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_picture_is_a_span_with_a_child_for_each_stage(memory: Memory) -> None:
    memory.recorder(SENT)
    spans = memory.spans
    assert spans.keys() == {"picture", "decode", "network", "send"}
    picture = spans["picture"]
    assert picture.attributes == {
        "segment.request.id": "an-id",
        "segment.client.request.id": "a-7",
        "segment.edge": "http",
        "segment.caller": "shop",
        "segment.ending": "sent",
        "segment.mode": "backgroundRemoval",
        "segment.network": "u2net",
        "faas.coldstart": False,
        "segment.input.bytes": 2_000_000,
        "segment.picture.format": "JPEG",
        "segment.picture.megapixels": 12.0,
        "segment.uncertainty": 0.04,
        "segment.output.bytes": 7_800_000,
    }
    assert (picture.start_time, picture.end_time) == (1_700_000_000_000_000_000, 1_700_000_000_320_000_000)
    for stage in SENT.stages:
        span = spans[stage.name]
        assert span.parent is not None
        assert picture.context is not None
        assert span.parent.span_id == picture.context.span_id
        assert span.start_time == 1_700_000_000_000_000_000 + stage.begin_ms * 1_000_000
        assert span.end_time == 1_700_000_000_000_000_000 + stage.end_ms * 1_000_000


@pytest.mark.parametrize(
    "faults", [{"image_fault": ImageFault.HEIC}, {"url_fault": UrlFault.PORT}], ids=["image", "url"]
)
def test_a_span_says_why_the_picture_was_refused(memory: Memory, faults: dict[str, str]) -> None:
    memory.recorder(replace(REFUSED, **faults))  # type: ignore[arg-type]
    assert (memory.spans["picture"].attributes or {})["segment.reason"] == str(*faults.values())


def test_nobody_let_in(memory: Memory) -> None:
    memory.recorder(replace(REFUSED, caller=None))
    assert "segment.caller" not in (memory.spans["picture"].attributes or {})
    (pictures,) = memory.points["segment.pictures"]
    assert (pictures.attributes or {})["segment.caller"] == "none"


def test_the_callers_trace_goes_on(memory: Memory) -> None:
    memory.recorder(SENT)
    picture = memory.spans["picture"]
    assert picture.context is not None
    assert picture.parent is not None
    assert (f"{picture.context.trace_id:032x}", f"{picture.parent.span_id:016x}") == (TRACE, PARENT)


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01"])
def test_a_bad_traceparent_begins_a_trace(memory: Memory, header: str) -> None:
    memory.recorder(replace(SENT, trace_context={"traceparent": header}))
    assert memory.spans["picture"].parent is None


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_is_recorded(memory: Memory, ending: Ending) -> None:
    memory.recorder(replace(SENT, ending=ending))
    ours = ending in (Ending.FAILED, Ending.STALLED, Ending.LATE)
    assert memory.spans["picture"].status.status_code is (StatusCode.ERROR if ours else StatusCode.UNSET)
    (pictures,) = memory.points["segment.pictures"]
    assert isinstance(pictures, NumberDataPoint)
    assert pictures.value == 1
    assert (pictures.attributes or {})["segment.ending"] == ending


def test_metrics_of_a_picture(memory: Memory) -> None:
    memory.recorder(SENT)
    points = memory.points
    (pictures,) = points["segment.pictures"]
    assert isinstance(pictures, NumberDataPoint)
    assert pictures.value == 1
    assert pictures.attributes == {
        "segment.edge": "http",
        "segment.caller": "shop",
        "segment.mode": "backgroundRemoval",
        "segment.ending": "sent",
        "segment.picture.size": "4 to 16",
    }
    stages = {
        str((point.attributes or {})["segment.stage"]): point for point in points["segment.stage.duration"]
    }
    assert stages.keys() == {"decode", "network", "send"}
    network = stages["network"]
    assert isinstance(network, HistogramDataPoint)
    assert network.sum == pytest.approx(0.1)
    assert not points.keys() & {"segment.refusals", "segment.url.refusals", "segment.second_looks"}


def test_metrics_of_a_refusal(memory: Memory) -> None:
    memory.recorder(REFUSED)
    memory.recorder(replace(REFUSED, error_id="E-URL", url_fault=UrlFault.ADDRESS_GUARD))
    points = memory.points
    assert {(point.attributes or {})["error.type"] for point in points["segment.refusals"]} == {
        "E-FORMAT",
        "E-URL",
    }
    assert [point.attributes for point in points["segment.url.refusals"]] == [
        {"segment.reason": "address guard"}
    ]
    assert not points.keys() & {"segment.uncertainty", "segment.picture.megapixels"}


def test_gauges_are_read_on_export(memory: Memory) -> None:
    memory.recorder.watch({names.SLOTS_USED: lambda: 3})
    (used,) = memory.points["segment.slots.used"]
    assert isinstance(used, NumberDataPoint)
    assert used.value == 3


def test_every_metric_is_made_of_what_is_known(memory: Memory) -> None:
    """One record in which all happened gives a point of every counter and histogram, with its attributes."""
    memory.recorder(
        replace(
            SENT,
            error_id="E-URL",
            url_fault=UrlFault.OFF,
            findings=replace(SENT.findings, second_look=True),
            queue_age_s=4.0,
        )
    )
    points = memory.points
    for metric in names.METRICS:
        if metric.kind != "gauge":
            assert {tuple(point.attributes or ()) for point in points[metric.name]} == {metric.attributes}


@pytest.mark.parametrize(
    ("megapixels", "size"),
    [(None, "unknown"), (0.3, "below 1"), (1, "1 to 4"), (12, "4 to 16"), (16, "16 and more")],
)
def test_sizes(megapixels: float | None, size: str) -> None:
    assert names.size_of(megapixels) == size
