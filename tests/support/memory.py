"""The highest resident memory for one picture: of the service with its network, and of the picture's room."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.hosts import PROJECT, environment

MODES = ("backgroundRemoval", "foregroundMatting")
_PROBE = """
import asyncio, re, sys
from pathlib import Path
from shared_code.deadline import Deadline
from shared_code.engine import Engine
from shared_code.errors import SegmentError
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore
from shared_code.modes import Mode
from shared_code.record import Edge
from shared_code.process import cores, tune_process
from shared_code.room.lifecycle import End, Zygote
from shared_code.room.rooms import Rooms
from shared_code.settings import load_settings
from shared_code.visit import Arrival, Visit
room_peaks, end_of = [0], End.of
def noted(message):
    room_peaks.append(message.peak_bytes)
    return end_of(message)
End.of = noted
settings = load_settings()
tune_process()
rooms = Rooms(Zygote(), cores())
networks = NetworkStore(read_catalogue(), settings.model, settings.models_in_memory, cores())
engine = Engine(settings, networks, rooms)
async def cut_out(data, mode):
    try:
        with Visit(Arrival("id", Edge.HTTP), Deadline.after(600), engine.hold(), repr) as visit:
            async for _ in await engine.cut_out(data, Mode(mode), visit):
                pass
    except SegmentError as error:
        return error.id
    return "PNG"
async def main():
    networks.preload()
    modes = sys.argv[2].split(",")
    picture, *before = (Path(path).read_bytes() for path in sys.argv[1:2] + sys.argv[3:])
    await asyncio.gather(*(cut_out(each, modes[0]) for each in before))
    for mode in modes:
        outcome = await cut_out(picture, mode)
        while engine.usage.memory_bytes:  # until its process has ended
            await asyncio.sleep(0.01)
        # Not getrusage: its maximum begins with the parent's.
        status = Path("/proc/self/status").read_text()
        service_mb = int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024
        print(service_mb, max(room_peaks) >> 20, outcome)
asyncio.run(main())
"""


@dataclass(frozen=True)
class Peak:
    """Peak resident memory in MB (2**20) of a service and of its largest room, and what came of the picture.

    A room's contains 30 MB of code and data that it shares with the others.
    """

    service_mb: int
    room_mb: int
    outcome: str

    @property
    def both_mb(self) -> int:
        """Of both together, as if they were at the same time."""
        return self.service_mb + self.room_mb


def peak(picture: Path, mode: str) -> Peak:
    """Of a fresh process that cuts out `picture`."""
    return peaks(picture, [mode])[mode]


def peaks(picture: Path, modes: Sequence[str], before: Sequence[Path] = ()) -> dict[str, Peak]:
    """Of one process that cuts out `picture` in one mode after the other.

    before: pictures that it cuts out first, all at once.
    """
    out = subprocess.run(
        [sys.executable, "-c", _PROBE, str(picture), ",".join(modes), *map(str, before)],
        check=True,
        cwd=PROJECT,
        env=environment({}),
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    lines = [line.split() for line in out.splitlines()]
    return {
        mode: Peak(int(service), int(room), outcome)
        for mode, (service, room, outcome) in zip(modes, lines, strict=True)
    }
