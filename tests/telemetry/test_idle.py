"""What an OTLP receiver is told of an instance at rest, whose host looks into the queue every two seconds."""

import time
from pathlib import Path

import pytest

from tests.cutout_function.cloud import new_cloud
from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.functions_host.needed import skip
from tests.support.azurite import azurite
from tests.support.patience import wait_for
from tests.telemetry.receiver import Received, otlp_receiver
from tests.telemetry.test_export import QUIET_HOST

pytestmark = pytest.mark.slow

EXPORTS = 10
"""Of metrics, every two seconds from each of host and worker."""
PATIENCE_S = 300


def wait_for_exports(receiver: Received) -> None:
    """Until metrics have been exported some times more."""
    enough = receiver.exports + EXPORTS
    wait_for(lambda: receiver.exports >= enough, PATIENCE_S)


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
            wait_for_exports(receiver)
            assert receiver.lines  # of the start: what is logged does come here
            rest_ns = time.time_ns()  # what happened before may come later
            wait_for_exports(receiver)
            assert [span for _, span in receiver.spans if span.start_time_unix_nano > rest_ns] == []
            # The sum of the calls of /ready, until the host was ready, is logged up to half a minute later.
            told = [line for at_ns, line in receiver.lines if at_ns > rest_ns]
            assert [line for line in told if not line.startswith("Host.Aggregator:")] == []
