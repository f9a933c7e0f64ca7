"""What an OTLP receiver is told of an instance at rest, whose host looks into the queue every two seconds."""

from pathlib import Path

import pytest

from tests.cutout_function.cloud import new_cloud
from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.functions_host.calls import wait_for
from tests.functions_host.needed import skip
from tests.support.azurite import azurite
from tests.telemetry.receiver import Received, otlp_receiver
from tests.telemetry.test_export import QUIET_HOST

pytestmark = pytest.mark.slow

EXPORTS = 10
"""Of metrics, every two seconds from each of host and worker."""
PATIENCE_S = 300


def after_exports(receiver: Received) -> tuple[int, int]:
    """Spans and lines that have come, when metrics have been exported some times more."""
    enough = receiver.exports + EXPORTS
    wait_for(lambda: receiver.exports >= enough, PATIENCE_S)
    return len(receiver.spans), len(receiver.lines)


@pytest.mark.campaign
def test_metrics_alone(tmp_path: Path) -> None:
    if find_host() is None:
        skip(HOW_TO_GET_ONE)
    with otlp_receiver() as receiver, azurite(tmp_path) as connection:
        settings = {
            **new_cloud(connection).environment,
            "SEGMENT_ALLOW_ANONYMOUS": "true",
            "SEGMENT_MODEL": "u2netp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "2000",
            **QUIET_HOST,
        }
        with functions_host(tmp_path / "log.txt", settings, storage=connection):
            spans, lines = after_exports(receiver)
            assert lines  # of the start: what is logged does come here
            after_exports(receiver)
            assert receiver.spans[spans:] == []
            # The sum of the calls of /ready, until the host was ready, may come half a minute later.
            told = [line for line in receiver.lines[lines:] if not line.startswith("Host.Aggregator:")]
            assert told == []
