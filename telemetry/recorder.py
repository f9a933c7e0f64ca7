"""From the record of a picture to its spans and metrics.

A record comes when the answer has ended, with the times of all stages. So spans are made afterwards, and
the code that processes pictures does not depend on telemetry.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, MeterProvider, Observation
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared_code.record import Ending, VisitRecord
from telemetry import names
from telemetry.names import Metric

type Attributes = dict[str, str | int | float]

_NOBODY = "none"
"""The caller's name for blobs, and for calls without a credential."""

_BOUNDARIES = {
    "s": (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30, 60, 200),
    "{megapixel}": (0.3, 1, 2, 4, 8, 12, 16, 32, 64, 128, 256),
    "By": tuple(1024 * 4**power for power in range(9)),
    "1": (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
}


class Recorder:
    """A sink for records."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._tracer = tracers.get_tracer(names.SCOPE)
        self._meter = meters.get_meter(names.SCOPE)
        self._context = TraceContextTextMapPropagator()
        self._counters = {
            metric: _counter(self._meter, metric) for metric in names.METRICS if metric.kind == "counter"
        }
        self._histograms = {
            metric: _histogram(self._meter, metric) for metric in names.METRICS if metric.kind == "histogram"
        }

    @classmethod
    def of_this_process(cls) -> "Recorder":
        """One for the providers that the process has."""
        return cls(trace.get_tracer_provider(), metrics.get_meter_provider())

    def watch(self, gauges: Mapping[Metric, Callable[[], int]]) -> None:
        """Have gauges read whenever metrics are exported."""
        for metric, read in gauges.items():
            self._meter.create_observable_gauge(
                metric.name, [partial(_observe, read)], metric.unit, metric.description
            )

    def __call__(self, record: VisitRecord) -> None:
        """Record one picture."""
        self._span(record)
        self._measure(record)

    def _span(self, record: VisitRecord) -> None:
        attributes: Attributes = {
            names.REQUEST_ID: record.id,
            names.EDGE: record.edge,
            names.ENDING: record.ending,
            names.INPUT_BYTES: record.bytes_in,
            names.OUTPUT_BYTES: record.bytes_out,
        }
        optional = {
            names.CALLER: record.caller,
            names.CLIENT_ID: record.client_id,
            names.MODE: record.mode,
            names.FORMAT: record.findings.format,
            names.NETWORK: record.findings.network,
            names.COLD_START: record.findings.cold_start,
            names.MEGAPIXELS: record.findings.megapixels,
            names.UNCERTAINTY: record.findings.uncertainty,
            names.ERROR: record.error_id,
            names.REASON: record.reason,
        }
        attributes |= {name: value for name, value in optional.items() if value is not None}
        span = self._tracer.start_span(
            names.SPAN,
            self._context.extract(record.trace_context),
            SpanKind.INTERNAL,
            attributes,
            start_time=_nanoseconds(record, 0),
        )
        within = trace.set_span_in_context(span)
        for stage in record.stages:
            begin = _nanoseconds(record, stage.begin_ms)
            child = self._tracer.start_span(stage.name, within, SpanKind.INTERNAL, start_time=begin)
            child.end(_nanoseconds(record, stage.end_ms))
        if record.ending in (Ending.FAILED, Ending.STALLED, Ending.LATE):
            span.set_status(Status(StatusCode.ERROR, record.error_id or record.ending))
        span.end(_nanoseconds(record, record.milliseconds))

    def _measure(self, record: VisitRecord) -> None:
        known: Attributes = {
            names.EDGE: record.edge,
            names.CALLER: record.caller or _NOBODY,
            names.MODE: record.mode or "unknown",
            names.ENDING: record.ending,
            names.SIZE: names.size_of(record.findings.megapixels),
        }
        if record.error_id is not None:
            known[names.ERROR] = record.error_id
        if record.url_fault is not None:
            known[names.REASON] = record.url_fault
        self._count(names.PICTURES, known)
        self._count(names.REFUSALS, known, record.error_id is not None)
        self._count(names.URL_REFUSALS, known, record.url_fault is not None)
        self._count(names.SECOND_LOOKS, known, record.findings.second_look is True)
        self._record(names.DURATION, record.milliseconds / 1000, known)
        self._record(names.PICTURE_MEGAPIXELS, record.findings.megapixels, known)
        self._record(names.DOUBT, record.findings.uncertainty, known)
        self._record(names.OUTPUT, record.bytes_out or None, known)
        self._record(names.QUEUE_AGE, record.queue_age_s, known)
        for stage in record.stages:
            self._record(names.STAGE_DURATION, stage.milliseconds / 1000, known | {names.STAGE: stage.name})

    def _count(self, metric: Metric, known: Attributes, happened: bool = True) -> None:
        if happened:
            self._counters[metric].add(1, _of(metric, known))

    def _record(self, metric: Metric, value: float | None, known: Attributes) -> None:
        if value is not None:
            self._histograms[metric].record(value, _of(metric, known))


def _of(metric: Metric, known: Attributes) -> Attributes:
    return {name: known[name] for name in metric.attributes}


def _nanoseconds(record: VisitRecord, milliseconds: float) -> int:
    """Since 1970, `milliseconds` after the picture's beginning."""
    return round(record.began * 1e9) + round(milliseconds * 1e6)


def _counter(meter: Meter, metric: Metric) -> Counter:
    return meter.create_counter(metric.name, metric.unit, metric.description)


def _histogram(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name,
        metric.unit,
        metric.description,
        explicit_bucket_boundaries_advisory=_BOUNDARIES[metric.unit],
    )


def _observe(read: Callable[[], int], _options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(read())]
