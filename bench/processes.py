"""Memory of a service with the processes that it has started: its zygote, and a room for each picture."""

import re
from contextlib import suppress
from pathlib import Path


def with_children(pid: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    found = [pid]
    for parent in found:  # grows meanwhile
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # the thread has ended
                found += map(int, task.read_text().split())
    return found


def proportional_mb(pid: int) -> float:
    """Memory of a process, pages that it shares counted in parts, in MB (2**20); 0 when it has ended."""
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def service_mb(pid: int) -> float:
    """Of a service and all that it has started, in MB (2**20). Raises RuntimeError when it has ended."""
    megabytes = sum(map(proportional_mb, with_children(pid)))
    if megabytes == 0:
        raise RuntimeError(f"process {pid} is gone")
    return megabytes


def runs(pid: int) -> bool:
    """Whether a process is running; a zombie is not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
