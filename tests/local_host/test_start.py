"""What keeps the embedded host from starting is said in one sentence."""

import subprocess
import sys

import pytest

from tests.support.hosts import PROJECT, environment
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SEGMENT_MODEL": "nobody"}, "SEGMENT_MODEL: no network 'nobody' is built, only "),
        ({"SEGMENT_SLOTS": "many"}, "SEGMENT_SLOTS: must be a whole number"),
    ],
)
def test_a_setting_that_means_nothing(settings: dict[str, str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_host"],
        cwd=PROJECT,
        env=environment({"SEGMENT_ALLOW_ANONYMOUS": "true", **settings}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
