"""From the outcome of a picture to its spans and metrics.

An outcome comes when the answer has ended, with the times of all that happened; so spans are made after the
fact, and nothing that works on pictures knows of them.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, MeterProvider, Observation
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared_code.outcome import Ending, Outcome
from telemetry import names
from telemetry.names import Metric

type Attributes = dict[str, str | int | float]

_NOBODY = "none"
"""The caller of a blob, and of a call that was let in by nothing."""

_BOUNDARIES = {
    "s": (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30, 60, 200),
    "{megapixel}": (0.3, 1, 2, 4, 8, 12, 16, 32, 64, 128, 256),
    "By": tuple(1024 * 4**power for power in range(9)),
    "1": (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
}


class Recorder:
    """A sink for outcomes."""

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

    def __call__(self, outcome: Outcome) -> None:
        """Record one picture."""
        self._span(outcome)
        self._measure(outcome)

    def _span(self, outcome: Outcome) -> None:
        attributes: Attributes = {
            names.REQUEST_ID: outcome.id,
            names.EDGE: outcome.edge,
            names.ENDING: outcome.ending,
            names.INPUT_BYTES: outcome.bytes_in,
            names.OUTPUT_BYTES: outcome.bytes_out,
        }
        optional = {
            names.CALLER: outcome.caller,
            names.CLIENT_ID: outcome.client_id,
            names.MODE: outcome.mode,
            names.FORMAT: outcome.findings.format,
            names.NETWORK: outcome.findings.network,
            names.COLD_START: outcome.findings.cold_start,
            names.MEGAPIXELS: outcome.findings.megapixels,
            names.UNCERTAINTY: outcome.findings.uncertainty,
            names.ERROR: outcome.error_id,
            names.REASON: outcome.reason,
        }
        attributes |= {name: value for name, value in optional.items() if value is not None}
        span = self._tracer.start_span(
            names.SPAN,
            self._context.extract(outcome.trace_context),
            SpanKind.INTERNAL,
            attributes,
            start_time=_nanoseconds(outcome, 0),
        )
        within = trace.set_span_in_context(span)
        for stage in outcome.stages:
            begin = _nanoseconds(outcome, stage.begin_ms)
            child = self._tracer.start_span(stage.name, within, SpanKind.INTERNAL, start_time=begin)
            child.end(_nanoseconds(outcome, stage.end_ms))
        if outcome.ending in (Ending.FAILED, Ending.STALLED, Ending.LATE):
            span.set_status(Status(StatusCode.ERROR, outcome.error_id or outcome.ending))
        span.end(_nanoseconds(outcome, outcome.milliseconds))

    def _measure(self, outcome: Outcome) -> None:
        known: Attributes = {
            names.EDGE: outcome.edge,
            names.CALLER: outcome.caller or _NOBODY,
            names.MODE: outcome.mode or "unknown",
            names.ENDING: outcome.ending,
            names.SIZE: names.size_of(outcome.findings.megapixels),
        }
        if outcome.error_id is not None:
            known[names.ERROR] = outcome.error_id
        if outcome.url_fault is not None:
            known[names.REASON] = outcome.url_fault
        self._count(names.PICTURES, known)
        self._count(names.REFUSALS, known, outcome.error_id is not None)
        self._count(names.URL_REFUSALS, known, outcome.url_fault is not None)
        self._count(names.SECOND_LOOKS, known, outcome.findings.second_look is True)
        self._record(names.DURATION, outcome.milliseconds / 1000, known)
        self._record(names.PICTURE_MEGAPIXELS, outcome.findings.megapixels, known)
        self._record(names.DOUBT, outcome.findings.uncertainty, known)
        self._record(names.OUTPUT, outcome.bytes_out or None, known)
        self._record(names.QUEUE_AGE, outcome.queue_age_s, known)
        for stage in outcome.stages:
            self._record(names.STAGE_DURATION, stage.milliseconds / 1000, known | {names.STAGE: stage.name})

    def _count(self, metric: Metric, known: Attributes, happened: bool = True) -> None:
        if happened:
            self._counters[metric].add(1, _of(metric, known))

    def _record(self, metric: Metric, value: float | None, known: Attributes) -> None:
        if value is not None:
            self._histograms[metric].record(value, _of(metric, known))


def _of(metric: Metric, known: Attributes) -> Attributes:
    return {name: known[name] for name in metric.attributes}


def _nanoseconds(outcome: Outcome, milliseconds: float) -> int:
    """Since 1970, `milliseconds` after the picture's beginning."""
    return round(outcome.began * 1e9) + round(milliseconds * 1e6)


def _counter(meter: Meter, metric: Metric) -> Counter:
    return meter.create_counter(metric.name, metric.unit, metric.description)


def _histogram(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name,
        metric.unit,
        metric.description,
        explicit_bucket_boundaries_advisory=_BOUNDARIES[metric.unit],
    )


def _observe(read: Callable[[], int], options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(read())]
