"""An OTLP receiver on loopback: takes what exporters post over HTTP, decoded by the protocol's own schema."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.loopback import QuietHandler, listening


@dataclass
class Received:
    """What has arrived so far, and where to send it."""

    endpoint: str = ""
    spans: list[tuple[str, Span]] = field(default_factory=list)
    """Each with the name of the service that sent it."""
    metrics: dict[str, Metric] = field(default_factory=dict)
    """The latest export of each."""
    lines: list[tuple[int, str]] = field(default_factory=list)
    """What was logged, after the name of the logger, and before it when, in nanoseconds since 1970."""
    exports: int = 0
    """How often metrics have come."""

    def named(self, name: str) -> list[Span]:
        return [span for _, span in self.spans if span.name == name]

    def below(self, span: Span) -> list[Span]:
        """The span's children."""
        return [child for _, child in self.spans if child.parent_span_id == span.span_id]

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            for resource in traces.resource_spans:
                service = next(
                    (a.value.string_value for a in resource.resource.attributes if a.key == "service.name"),
                    "",
                )
                self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            self.exports += 1
            sent = ExportMetricsServiceRequest.FromString(body)
            for resource_metrics in sent.resource_metrics:
                for scope_metrics in resource_metrics.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope_metrics.metrics}
        elif path == "/v1/logs":
            logs = ExportLogsServiceRequest.FromString(body)
            for resource_logs in logs.resource_logs:
                for scope_logs in resource_logs.scope_logs:
                    logger = scope_logs.scope.name
                    self.lines += [
                        (
                            record.time_unix_nano or record.observed_time_unix_nano,
                            f"{logger}: {record.body.string_value}",
                        )
                        for record in scope_logs.log_records
                    ]


@contextmanager
def otlp_receiver() -> Iterator[Received]:
    """Listens until the end of the block."""
    received = Received()
    turn = threading.Lock()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            with turn:
                received.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with listening(Handler) as received.endpoint:
        yield received
