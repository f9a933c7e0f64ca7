"""Which spans are sampled: a picture as the span above it, its stages as the picture."""

import itertools

import pytest
from azure.monitor.opentelemetry.exporter import ApplicationInsightsSampler
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult

from shared_code.progress import Stage, StageName
from shared_code.record import Edge, Ending, VisitRecord
from telemetry import names
from telemetry.exporters import follow_parents
from telemetry.recorder import Recorder

PICTURES = 200
STAGES = tuple(Stage(name, 0, 1) for name in (StageName.RECEIVE, StageName.NETWORK, StageName.SEND))


def traces(sampler: Sampler, flags: str | None) -> dict[int, set[str]]:
    """Names of the spans that arrived, by trace, of pictures below spans with these flags, or below none."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    follow_parents(provider)
    recorder = Recorder(provider, MeterProvider())
    for number in range(PICTURES):
        above = {} if flags is None else {"traceparent": f"00-{number * 7919 + 1:032x}-{1:016x}-{flags}"}
        recorder(
            VisitRecord(
                "1", Edge.HTTP, Ending.SENT, "m", None, 1, 1.0, 1.0, stages=STAGES, trace_context=above
            )
        )
    found: dict[int, set[str]] = {}
    for span in exporter.get_finished_spans():
        assert span.context is not None
        found.setdefault(span.context.trace_id, set()).add(span.name)
    return found


class EveryOther(Sampler):
    """Decides anew for each span, as those by rate do."""

    def __init__(self) -> None:
        self._turns = itertools.cycle((Decision.RECORD_AND_SAMPLE, Decision.DROP, Decision.DROP))

    def should_sample(self, *_: object, **__: object) -> SamplingResult:
        return SamplingResult(next(self._turns))

    def get_description(self) -> str:
        return "every other"


@pytest.mark.parametrize("sampler", [ApplicationInsightsSampler(0.3), EveryOther()])
def test_without_a_span_above_a_picture_comes_with_all_its_stages_or_not(sampler: Sampler) -> None:
    found = traces(sampler, None)
    assert 0 < len(found) < PICTURES
    for spans in found.values():
        assert spans == {names.SPAN, *(stage.name for stage in STAGES)}


@pytest.mark.parametrize(("flags", "number"), [("01", PICTURES), ("00", 0)])
def test_a_picture_is_sampled_as_the_span_above_it(flags: str, number: int) -> None:
    found = traces(ApplicationInsightsSampler(0.3), flags)
    assert len(found) == number
    assert all(len(spans) == 1 + len(STAGES) for spans in found.values())


def test_what_follows_already_is_left_alone() -> None:
    sampler = ParentBased(ALWAYS_ON)
    provider = TracerProvider(sampler=sampler)
    follow_parents(provider)
    assert provider.sampler is sampler
