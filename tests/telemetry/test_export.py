"""What arrives at an OTLP receiver, from the embedded host and from Microsoft's."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from telemetry import names
from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.functions_host.needed import skip
from tests.support import loopback
from tests.support.hosts import KEYS, embedded_host
from tests.support.patience import wait_for
from tests.support.photos import encoded
from tests.telemetry.receiver import Received, otlp_receiver

pytestmark = pytest.mark.slow

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "a-secret-of-the-query"
CLIENT_ID = "6a3d2c1e-0000-4000-8000-0123456789ab"
QUIET_HOST = {"AZURE_TRACING_DISABLED": "true", "DOTNET_SYSTEM_NET_HTTP_ENABLEACTIVITYPROPAGATION": "false"}
"""The template's, without which the host tells of each look into the queue."""
HOSTS = {"embedded": embedded_host, "functions": functions_host}


@pytest.fixture(scope="module", params=HOSTS)
def received(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[Received]:
    """All that a host exports while it cuts out a picture and refuses two, until it has ended."""
    if request.param == "functions" and find_host() is None:
        skip(HOW_TO_GET_ONE)
    with otlp_receiver() as receiver:
        settings = {
            "SEGMENT_API_KEYS": f"shop={KEYS[0]},{KEYS[1]}",
            "SEGMENT_MODEL": "u2netp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            **QUIET_HOST,
        }
        with ExitStack() as running:
            log = tmp_path_factory.mktemp("log") / "log.txt"
            host = running.enter_context(HOSTS[request.param](log, settings, quick_app))
            answers = [post(host.url, content, kind) for content, kind in PICTURES]
            assert [answer.status_code for answer in answers] == [200, 400, 400]
            answers.append(post(host.url, b"another", "image/jpeg", {}))
            wait_for(lambda: len(receiver.named(names.SPAN)) >= 4)
            wait_for(lambda: {names.SLOTS_USED.name, names.REFUSALS.name} <= receiver.metrics.keys())
        yield receiver


PICTURES = [
    (encoded("JPEG", 400, 300), "image/jpeg"),
    (b"no picture", "image/jpeg"),
    (f'{{"url": "http://127.0.0.1/picture?{SECRET}"}}'.encode(), "application/json"),
]


CALLERS_TRACE = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


def post(
    url: str, content: bytes, content_type: str, trace: Mapping[str, str] = CALLERS_TRACE
) -> httpx.Response:
    return loopback.post(
        f"{url}/computervision/imageanalysis:segment?api-version=2023-02-01-preview&mode=backgroundRemoval",
        content=content,
        headers={
            "Ocp-Apim-Subscription-Key": KEYS[0],
            "Content-Type": content_type,
            "x-ms-client-request-id": CLIENT_ID,
            **trace,
        },
    )


def test_every_picture_is_a_span_of_the_callers_trace(received: Received) -> None:
    spans = received.named(names.SPAN)
    assert [span.trace_id.hex() for span in spans].count(TRACE) == 3
    assert len(spans) == 4


def test_call_without_a_trace_has_one(received: Received, request: pytest.FixtureRequest) -> None:
    """On the Functions host the picture is in the trace that the host's own span of the call begins."""
    (span,) = [span for span in received.named(names.SPAN) if span.trace_id.hex() != TRACE]
    if "embedded" in request.node.callspec.id:
        assert not span.parent_span_id
        return
    calls = [one for _, one in received.spans if attribute(one, "http.request.method") == "POST"]
    assert {one.trace_id for one in calls} == {span.trace_id, bytes.fromhex(TRACE)}
    of_call = {one.span_id for _, one in received.spans if one.trace_id == span.trace_id}
    assert span.parent_span_id in of_call


def test_stages_are_below_their_picture(received: Received) -> None:
    (sent,) = [span for span in received.named(names.SPAN) if attribute(span, names.ENDING) == "sent"]
    stages = received.below(sent)
    assert {"header", "decode", "network", "send"} <= {stage.name for stage in stages}
    for stage in stages:
        assert sent.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano
        assert stage.end_time_unix_nano <= sent.end_time_unix_nano + 1_000_000


def test_the_picture_hangs_below_the_caller_or_the_hosts_own_span(
    received: Received, request: pytest.FixtureRequest
) -> None:
    """On the Functions host each picture has a span of the host's above it, all in the caller's trace."""
    pictures = [span for span in received.named(names.SPAN) if span.trace_id.hex() == TRACE]
    parents = {span.parent_span_id.hex() for span in pictures}
    if "embedded" in request.node.callspec.id:
        assert parents == {PARENT}
    else:
        of_host = {span.span_id.hex() for service, span in received.spans if service != "segment-function"}
        assert parents <= of_host


def test_metrics_arrive(received: Received) -> None:
    assert {"segment.pictures", "segment.refusals", "segment.stage.duration"} <= received.metrics.keys()
    assert received.metrics.keys() & {metric.name for metric in names.METRICS if metric.kind == "gauge"} == {
        "segment.slots.used",
        "segment.slots.waiting",
        "segment.memory.reserved",
    }


def test_what_an_operator_asks(received: Received) -> None:
    of_caller = [span for span in received.named(names.SPAN) if span.trace_id.hex() == TRACE]
    spans = {attribute(span, names.INPUT_BYTES): span for span in of_caller}
    assert spans.keys() == {str(len(PICTURES[0][0])), "10", "0"}
    for span in spans.values():
        assert attribute(span, names.CALLER) == "shop"
        assert attribute(span, names.CLIENT_ID) == CLIENT_ID
    sent = spans[str(len(PICTURES[0][0]))]
    assert [attribute(sent, name) for name in (names.FORMAT, names.NETWORK)] == ["JPEG", "u2netp"]
    assert attribute(sent, names.COLD_START) == "True"
    assert attribute(spans["10"], names.REASON) == "not a picture"
    assert attribute(spans["0"], names.REASON) == "address guard"


def test_metrics_have_the_caller(received: Received) -> None:
    for name in ("segment.pictures", "segment.picture.duration"):
        metric = received.metrics[name]
        points = [*metric.sum.data_points, *metric.histogram.data_points]
        callers = {
            it.value.string_value for point in points for it in point.attributes if it.key == names.CALLER
        }
        assert callers == {"shop"}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "segment-function"),
        ({"OTEL_SERVICE_NAME": "cut-outs"}, "cut-outs"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=of-the-shop,deployment.environment=test"}, "of-the-shop"),
        ({"OTEL_SERVICE_NAME": "wins", "OTEL_RESOURCE_ATTRIBUTES": "service.name=loses"}, "wins"),
    ],
    ids=["none", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "both"],
)
def test_the_service_has_the_name_that_it_is_given(
    variables: dict[str, str], name: str, tmp_path: Path, quick_app: Path
) -> None:
    with otlp_receiver() as receiver:
        settings = {
            "SEGMENT_ALLOW_ANONYMOUS": "true",
            "SEGMENT_MODEL": "u2netp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with embedded_host(tmp_path / "log.txt", settings | variables, quick_app) as host:
            assert post(host.url, b"no picture", "image/jpeg").status_code == 400
            wait_for(lambda: len(receiver.named(names.SPAN)) >= 1)
        assert {service for service, _ in receiver.spans} == {name}


def test_nothing_secret_is_told(received: Received) -> None:
    ours = [span.SerializeToString() for service, span in received.spans if service == "segment-function"]
    ours += [metric.SerializeToString() for metric in received.metrics.values()]
    told = b"".join(ours)
    assert told
    for secret in (*KEYS, SECRET, "127.0.0.1"):
        assert secret.encode() not in told


def attribute(span: Span, name: str) -> str:
    values = (
        getattr(it.value, str(it.value.WhichOneof("value"))) for it in span.attributes if it.key == name
    )
    return str(next(values, ""))
