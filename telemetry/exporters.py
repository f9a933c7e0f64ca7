"""Where spans and metrics go: Application Insights, an OTLP receiver, or both."""

import logging

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased

from shared_code.settings import TelemetrySettings
from shared_code.version import VERSION

log = logging.getLogger(__name__)

_SERVICE_NAME = "segment-function"
"""The default where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES names one."""
_NO_NAME = "unknown_service"
"""The SDK's name for a service without a name."""

_NO_INSTRUMENTATION = {
    name: {"enabled": False}
    for name in (
        "azure_sdk",
        "django",
        "fastapi",
        "flask",
        "httpx",
        "httpx2",
        "psycopg2",
        "requests",
        "urllib",
        "urllib3",
    )
}
"""Instrumentations of other libraries are off, because URLs and headers may hold secrets."""


WORKERS_LOGGER = "telemetry"
"""The template's PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME: the one logger that the worker exports.

Without it the worker exports all loggers, also that of the exporter itself, whose line about each export
would be exported too, without end.
"""
APP_LOGGERS = ("cutout_function", "segment_function", "shared_code", WORKERS_LOGGER)


def use_exporters(settings: TelemetrySettings) -> None:
    """Make the providers of this process, unless there are some.

    The Functions worker makes those for Application Insights itself, before the app is imported, where
    PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY is true.
    """
    spans, readers = _otlp() if settings.otlp_endpoint else ([], [])
    resource = _resource()
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        export_all_of_the_app()
        if readers:
            log.warning("the worker exports to Application Insights; OTLP gets spans, but no metrics")
        for processor in spans:
            provider.add_span_processor(processor)
    elif settings.connection_string:
        from azure.monitor.opentelemetry import configure_azure_monitor

        configure_azure_monitor(
            connection_string=settings.connection_string,
            resource=resource,
            disable_logging=True,
            enable_live_metrics=False,
            instrumentation_options=_NO_INSTRUMENTATION,
            span_processors=spans,
            metric_readers=readers,
        )
    else:
        provider = TracerProvider(resource=resource)
        for processor in spans:
            provider.add_span_processor(processor)
        trace.set_tracer_provider(provider)
        metrics.set_meter_provider(MeterProvider(readers, resource=resource))
    follow_parents(trace.get_tracer_provider())


def follow_parents(provider: trace.TracerProvider) -> None:
    """Have a picture sampled as the host's span above it is, and its stages as the picture.

    Azure Monitor's samplers decide for each span anew. The host's and the worker's have a rule of the same
    name, by the trace's id; one reads it in capitals, the other in small letters: they keep different traces.
    """
    if isinstance(provider, TracerProvider) and not isinstance(provider.sampler, ParentBased):
        provider.sampler = ParentBased(provider.sampler)


def export_all_of_the_app() -> None:
    """The worker knows one logger by its name; the app has one for each of its packages."""
    for handler in logging.getLogger(WORKERS_LOGGER).handlers:
        for name in APP_LOGGERS:
            logging.getLogger(name).addHandler(handler)


def _resource() -> Resource:
    """The resource attributes from the environment, which the SDK reads on its own threads."""
    found = Resource({SERVICE_VERSION: VERSION}).merge(Resource.create())
    if str(found.attributes.get(SERVICE_NAME, "")).startswith(_NO_NAME):
        return found.merge(Resource({SERVICE_NAME: _SERVICE_NAME}))
    return found


def _otlp() -> tuple[list[SpanProcessor], list[MetricReader]]:
    """Over HTTP; the SDK itself reads OTEL_EXPORTER_OTLP_ENDPOINT and its relatives."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return [BatchSpanProcessor(OTLPSpanExporter())], [PeriodicExportingMetricReader(OTLPMetricExporter())]
