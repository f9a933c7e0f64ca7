"""Builds the networks that are deployed, with the packages that the project pins."""

import os
from pathlib import Path

from builder import run

_DEFAULT_MB = "2048"
"""`instanceMemoryMB` in infra/main.bicep."""


def build_networks(python: Path) -> None:
    """Build the networks that the app needs. Raises HookError, also if the instance is too small for them."""
    os.environ["SEGMENT_INSTANCE_MB"] = os.environ.get("INSTANCE_MEMORY_MB") or _DEFAULT_MB
    run([str(python), "-m", "model_build"])
