"""How soon is everything free again when a caller leaves, and how far over its limits does a decoder get?

Callers leave at moments all over the work on their picture. What is measured ends when its slot, its place,
its share of memory and its processes are gone.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from bench.photos import jpeg, sized
from bench.report import Table
from shared_code import pipeline
from shared_code.engine import Engine
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore
from shared_code.modes import Mode
from shared_code.process import cores, tune_process
from shared_code.progress import Progress
from shared_code.room.lifecycle import Zygote
from shared_code.room.rooms import Rooms
from shared_code.settings import load_settings
from tests.shared_code.matte.networks import FlatNetwork
from tests.shared_code.picture.samples import saved
from tests.support.faulty_zygote import marked
from tests.support.rooms import header_of
from tests.support.visits import new_visit

_TIMES = 40
_PICTURES: Mapping[str, Callable[[], bytes]] = {
    "JPEG of 0.3 megapixels": lambda: jpeg(640, 480),
    "JPEG of 16 megapixels": lambda: jpeg(4608, 3456),
    "PNG of 6 megapixels": lambda: saved(sized(3000, 2000), "PNG", compress_level=1),
}


def run() -> list[Table]:
    """A row for each picture, then one for each limit."""
    tune_process()
    rows = asyncio.run(_callers_leave())
    rows += [_over(name, fault) for name, fault in _LIMITS.items()]
    note = (
        "Milliseconds from the moment a caller leaves until slot, place, memory and processes are free. In "
        f"the first rows {_TIMES} callers leave at moments spread evenly over all the time of their picture, "
        f"with the default network. In the last rows a decoder does something else, {_TIMES // 4} times each."
    )
    return [Table("Callers who leave", note, ("work", "median", "longest"), rows)]


async def _callers_leave() -> list[list[str]]:
    rooms = Rooms(Zygote(), cores())
    store = NetworkStore(read_catalogue(), "u2net", kept=1, threads=cores())
    engine = Engine(load_settings({}), store, rooms)
    rows = []
    for name, make in _PICTURES.items():
        data = make()
        whole_s = min([await _left_after(engine, data, None) for _ in range(3)])
        chance = random.Random(1)
        moments = [(number + chance.random()) / _TIMES * whole_s for number in range(_TIMES)]
        rows.append(_row(f"leaves: {name}", [await _left_after(engine, data, moment) for moment in moments]))
    rooms.close()
    return rows


async def _left_after(engine: Engine, data: bytes, moment_s: float | None) -> float:
    """Seconds from leaving until all is free; without a moment those of the whole picture."""
    begin = time.perf_counter()
    call = asyncio.create_task(_read(engine, data))
    await asyncio.wait([call], timeout=moment_s)
    left = begin if moment_s is None else time.perf_counter()
    call.cancel()
    await asyncio.wait([call])
    usage = engine.usage
    while usage.slots_used + usage.slots_waiting + usage.memory_bytes:
        await asyncio.sleep(0.001)
        usage = engine.usage
    return time.perf_counter() - left


async def _read(engine: Engine, data: bytes) -> None:
    stream = await engine.cut_out(data, Mode.BACKGROUND_REMOVAL, new_visit(engine))
    try:
        async for _ in stream:
            pass
    finally:
        stream.close()


_LIMITS = {
    "given up: a decoder that sleeps": "sleep",
    "given up: a decoder that holds 1 GB": "hold",
    "CPU time over the limit: a decoder that spins": "spin",
}


def _over(name: str, fault: str) -> list[str]:
    """A decoder that does something else. CPU time over its limit is its own, not that of the clock."""
    rooms = Rooms(Zygote("tests.support.faulty_zygote"), cores())
    data = marked("picture", fault)
    planned = pipeline.plan(header_of(data, rooms), Mode.BACKGROUND_REMOVAL)
    work = replace(pipeline.work(planned, FlatNetwork(), len(data)), memory_bytes=1 << 30)
    taken = []
    for _ in range(_TIMES // 4):
        progress = Progress()
        picture = rooms.open(data, work, progress)
        if fault == "spin":
            taken.append(picture.wait_until_gone().cpu_s - work.cpu_s)
            continue
        time.sleep(1)
        left = time.perf_counter()
        progress.abandon()
        picture.wait_until_gone()
        taken.append(time.perf_counter() - left)
    rooms.close()
    return _row(name, taken)


def _row(name: str, seconds: list[float]) -> list[str]:
    return [name, f"{statistics.median(seconds) * 1000:.0f}", f"{max(seconds) * 1000:.0f}"]
