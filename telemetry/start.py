"""Starts spans and metrics where the operator asks for them. Otherwise OpenTelemetry is not imported."""

from typing import TYPE_CHECKING

from shared_code.engine import Engine
from shared_code.settings import TelemetrySettings
from telemetry.names import MEMORY_RESERVED, SLOTS_USED, SLOTS_WAITING

if TYPE_CHECKING:
    from telemetry.recorder import Recorder


def start_telemetry(settings: TelemetrySettings, engine: Engine) -> "Recorder | None":
    """The recorder of all pictures from now on; None if no exporter is configured.

    Importing OpenTelemetry and Azure's exporter takes 0.4 s, so it is done only where they are used.
    """
    if not settings.connection_string and not settings.otlp_endpoint:
        return None
    from telemetry.exporters import use_exporters
    from telemetry.recorder import Recorder

    use_exporters(settings)
    recorder = Recorder.of_this_process()
    recorder.watch(
        {
            SLOTS_USED: lambda: engine.usage.slots_used,
            SLOTS_WAITING: lambda: engine.usage.slots_waiting,
            MEMORY_RESERVED: lambda: engine.usage.memory_bytes,
        }
    )
    return recorder
