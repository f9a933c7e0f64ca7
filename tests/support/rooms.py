"""One zygote for all tests of a process, and whole cut-outs made with it."""

import atexit
import weakref
from functools import cache

from shared_code import pipeline
from shared_code.matte.mask import MattingNetwork
from shared_code.modes import Mode
from shared_code.pipeline import Cutout, Plan, Style
from shared_code.progress import Progress
from shared_code.room.lifecycle import Zygote
from shared_code.room.rooms import Rooms


@cache
def rooms() -> Rooms:
    """Real rooms; they end with this process."""
    made = Rooms(Zygote(), threads=2)
    atexit.register(made.close)
    return made


def plan(data: bytes, mode: Mode) -> Plan:
    """What is to be made of a picture."""
    return pipeline.plan(rooms().header(data), mode)


def cut_out(
    data: bytes,
    mode: Mode,
    network: MattingNetwork,
    style: Style | None = None,
    progress: Progress | None = None,
) -> Cutout:
    """All that the engine does, without its admission; whoever drops the cut-out ends its room."""
    planned = plan(data, mode)
    picture = rooms().open(data, pipeline.work(planned, network, len(data)), progress)
    cutout = pipeline.make_cutout(planned, picture, network, style or Style(), progress)
    weakref.finalize(cutout, picture.close)
    return cutout
