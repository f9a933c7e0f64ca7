"""An OTLP receiver on loopback: takes what exporters post over HTTP, decoded by the protocol's own schema."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Received:
    """What has arrived so far, and where to send it."""

    endpoint: str = ""
    spans: list[tuple[str, Span]] = field(default_factory=list)
    """Each with the name of the service that sent it."""
    metrics: dict[str, Metric] = field(default_factory=dict)
    """The latest export of each."""

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
            sent = ExportMetricsServiceRequest.FromString(body)
            for resource_metrics in sent.resource_metrics:
                for scope_metrics in resource_metrics.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope_metrics.metrics}


@contextmanager
def otlp_receiver() -> Iterator[Received]:
    """Listens until the end of the block."""
    received = Received()
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
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

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.endpoint = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield received
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
