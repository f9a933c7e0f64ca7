"""Runs of the client as a library, with everything that came of them."""

import asyncio
from pathlib import Path

from segment_client import ClientError, Look, Outcome, Patience, Service, cutouts
from tests.support.patience import PATIENCE_S

HASTY = Patience(
    attempts=6,
    first_wait_s=0.01,
    longest_wait_s=0.05,
    failures_to_open=5,
    probe_every_s=0.05,
    give_up_after_s=PATIENCE_S,
)


def collect(
    sources: list[Path | str], out: Path, service: Service, look: Look | None = None, *, force: bool = False
) -> tuple[list[Outcome], ClientError | None]:
    """All outcomes, and the error that ended the run early."""

    async def run() -> tuple[list[Outcome], ClientError | None]:
        outcomes = []
        try:
            async for outcome in cutouts(sources, out, service, look, force=force):
                outcomes.append(outcome)  # noqa: PERF401 (those before an error count)
        except ClientError as error:
            return outcomes, error
        return outcomes, None

    return asyncio.run(run())
