"""One zygote for all tests of a process, and whole cut-outs made with it."""

import atexit
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path

from shared_code import pipeline
from shared_code.matte.mask import MattingNetwork
from shared_code.modes import Mode
from shared_code.pipeline import Cutout, Plan, Style
from shared_code.progress import Progress
from shared_code.room.lifecycle import Zygote
from shared_code.room.picture import Header
from shared_code.room.rooms import Rooms


@cache
def rooms() -> Rooms:
    """Real rooms; they end with this process."""
    made = Rooms(Zygote(), threads=2)
    atexit.register(made.close)
    return made


def at_work(zygote: int) -> set[int]:
    """The rooms of a zygote that have a job; a spare one has none."""
    return set(filter(has_job, map(int, Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split())))


def has_job(pid: int) -> bool:
    """Whether a process is a room in its sandbox, which has the highest `oom_score_adj`."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    return False


def header_of(data: bytes, of: Rooms | None = None) -> Header:
    """What a file's header says; the room that read it has ended on return."""
    arrived = (of or rooms()).read(data)
    arrived.close()
    return arrived.header


def plan(data: bytes, mode: Mode) -> Plan:
    """What is to be made of a picture."""
    return pipeline.plan(header_of(data), mode)


def cut_out(
    data: bytes,
    mode: Mode,
    network: MattingNetwork,
    style: Style | None = None,
    progress: Progress | None = None,
    *,
    crop: bool = False,
) -> Cutout:
    """All that the engine does, without its admission; whoever drops the cut-out ends its room."""
    arrived = rooms().read(data, progress)
    planned = pipeline.plan(arrived.header, mode, crop=crop)
    picture = arrived.open(pipeline.work(planned, network, len(data)))
    cutout = pipeline.make_cutout(planned, picture, network, style or Style(), progress)
    weakref.finalize(cutout, picture.close)
    return cutout
