"""Memory for pixels that one room after the other gets: nothing of a picture is left in it."""

import mmap
import os
import signal

import pytest

from shared_code import pipeline
from shared_code.modes import Mode
from shared_code.progress import Progress
from shared_code.room.lifecycle import Zygote
from shared_code.room.memory import MemoryPool, PixelMemory
from shared_code.room.picture import Picture
from shared_code.room.process import RoomProcess
from tests.shared_code.matte.networks import FlatNetwork
from tests.support.photos import encoded
from tests.support.rooms import header_of, rooms

KEPT = pytest.mark.skipif(not hasattr(mmap, "MADV_REMOVE"), reason="memory is not kept on this system")
PAGE = mmap.PAGESIZE


def written_everywhere(memory: PixelMemory) -> None:
    """As a room could."""
    with mmap.mmap(memory.fd, memory.size) as everything:
        everything[:] = b"\xff" * memory.size


def held_bytes(memory: PixelMemory) -> int:
    return 512 * os.fstat(memory.fd).st_blocks


@KEPT
@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ([], 0),
        ([(0, 100)], 1),
        ([(4 * PAGE, 2 * PAGE)], 2),
        ([(4 * PAGE, PAGE + 1), (0, 1), (4 * PAGE, 7)], 3),
        ([(0, 16 * PAGE)], 16),
        ([(15 * PAGE, PAGE - 1)], 1),
    ],
)
def test_all_is_wiped_whoever_wrote_it(wanted: list[tuple[int, int]], held: int) -> None:
    memory = PixelMemory(16 * PAGE)
    for offset, size in wanted:
        memory.view(offset, size)
    written_everywhere(memory)
    memory.wipe()
    assert held_bytes(memory) == held * PAGE
    assert not memory.view(0, memory.size).any()


@KEPT
def test_a_pool_keeps_so_much_and_no_more() -> None:
    pool = MemoryPool(1)
    one, other = pool.take(PAGE), pool.take(PAGE)
    pool.keep(one)
    pool.keep(other)
    assert pool.take(2 * PAGE) not in (one, other)
    assert pool.take(PAGE) is one
    assert pool.take(PAGE) is not other
    pool.keep(one)
    pool.clear()
    assert pool.take(PAGE) is not one


def test_memory_that_nobody_keeps_is_closed() -> None:
    memory = PixelMemory(PAGE)
    fd = memory.fd
    os.fstat(fd)
    del memory
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


class _Seen(MemoryPool):
    """A pool whose memory is noted as it comes and goes."""

    def __init__(self) -> None:
        super().__init__(2)
        self.taken: list[PixelMemory] = []
        self.kept: list[PixelMemory] = []

    def take(self, size: int) -> PixelMemory:
        self.taken.append(super().take(size))
        return self.taken[-1]

    def keep(self, memory: PixelMemory) -> None:
        super().keep(memory)
        self.kept.append(memory)


def opened(data: bytes, pool: _Seen, zygote: Zygote) -> Picture:
    planned = pipeline.plan(header_of(data), Mode.BACKGROUND_REMOVAL)
    work = pipeline.work(planned, FlatNetwork(), len(data))
    job = work.job(len(data), 2)
    return Picture(RoomProcess(zygote, job, data, Progress(), pool), job, work.slot_bytes)


@pytest.mark.slow
def test_the_next_room_gets_it() -> None:
    data, pool, rows = encoded("PNG", 60, 50), _Seen(), []
    for _ in range(2):
        picture = opened(data, pool, rooms().zygote)
        with picture.colours(0, 50, 60, 50) as words:
            rows.append(words & 0xFFFFFF)
        picture.close()
        picture.wait_until_gone()
    assert rows[0].any()
    assert (rows[0] == rows[1]).all()
    assert (pool.taken[0] is pool.taken[1]) == hasattr(mmap, "MADV_REMOVE")


@pytest.mark.slow
def test_no_room_gets_what_somebody_looks_at() -> None:
    pool = _Seen()
    picture = opened(encoded("PNG", 60, 50), pool, rooms().zygote)
    with picture.colours(0, 50, 60, 50):
        picture.close()
        picture.wait_until_gone()
    assert not pool.kept


@pytest.mark.slow
def test_no_room_gets_the_memory_of_one_that_may_not_have_ended() -> None:
    pool, zygote = _Seen(), Zygote()
    picture = opened(encoded("PNG", 60, 50), pool, zygote)
    picture.decoded()
    os.kill(zygote.pid, signal.SIGKILL)
    assert picture.wait_until_gone().unknown
    assert not pool.kept
    zygote.close()
