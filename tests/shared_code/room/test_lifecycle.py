"""How the end of a process is told; what ends it is tested in real rooms (`test_rooms.py`)."""

import pytest

from shared_code.room.lifecycle import End
from shared_code.room.messages import NOT_BORN, Ended


@pytest.mark.parametrize(
    ("status", "end", "told"),
    [
        (0, End(None, peak_bytes=3, cpu_s=0.5), "exit"),
        (1 << 8, End(None, peak_bytes=3, cpu_s=0.5), "exit"),
        (9, End(9, peak_bytes=3, cpu_s=0.5), "SIGKILL"),
        (11 | 0x80, End(11, peak_bytes=3, cpu_s=0.5), "SIGSEGV"),
        (50, End(50, peak_bytes=3, cpu_s=0.5), "signal 50"),
        (NOT_BORN, End(None, unknown=True), "unknown"),
    ],
)
def test_an_end(status: int, end: End, told: str) -> None:
    found = End.of(Ended(1, status, 3, 0.5))
    assert found == end
    assert str(found) == told
