"""What is sent and what is not, run after run: the number of calls that reach a real host."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from segment_client import Format, Look, Mode, Result, Service
from segment_client.record import FILE_NAME, Record, Sent
from tests.support.client_runs import HASTY, collect
from tests.support.faults import Fault, Proxy, faulty_proxy
from tests.support.hosts import KEYS, Host
from tests.support.photos import encoded

FIRST, SECOND = encoded("BMP", 64, 60), encoded("BMP", 64, 60, "chelsea.png")  # of one size in bytes


class Folder:
    """A folder of one picture, and what runs over it send."""

    def __init__(self, root: Path, proxy: Proxy) -> None:
        self.source = root / "photos" / "a.bmp"
        self.source.parent.mkdir()
        self.source.write_bytes(FIRST)
        self.out = root / "out"
        self.proxy = proxy

    def calls(self, look: Look | None = None, *, force: bool = False) -> int:
        """How many calls a run makes."""
        before = len(self.proxy.seen)
        service = Service(self.proxy.url, KEYS[0], patience=HASTY)
        [outcome], _ = collect([self.source.parent], self.out, service, look, force=force)
        calls = len(self.proxy.seen) - before
        assert outcome.result is (Result.DONE if calls else Result.SKIPPED)
        return calls

    @property
    def result(self) -> Path:
        return self.out / "a.bmp.png"


@pytest.fixture
def folder(host: Host, tmp_path: Path) -> Iterator[Folder]:
    with faulty_proxy(host.url, lambda *_: Fault.NONE) as proxy:
        yield Folder(tmp_path, proxy)


@pytest.mark.parametrize("age_s", [0.0, 0.4, 3600.0, -3600.0, 1e8, -1e8], ids="{}s old".format)
def test_once_made_never_again_and_once_changed_always(folder: Folder, age_s: float) -> None:
    """Whatever the clocks of the files say: of the past, of this moment, of the future."""

    def replace(data: bytes, age_s: float) -> None:
        beside = folder.source.with_name("new")
        beside.write_bytes(data)
        at = time.time() - age_s
        os.utime(beside, (at, at))
        beside.replace(folder.source)

    replace(FIRST, age_s)
    assert [folder.calls() for _ in range(3)] == [1, 0, 0]
    replace(SECOND, age_s + 60)
    assert [folder.calls() for _ in range(3)] == [1, 0, 0]
    replace(FIRST, age_s)
    assert [folder.calls() for _ in range(2)] == [1, 0]


def test_times_alone_make_nothing_new(folder: Folder) -> None:
    assert folder.calls() == 1
    for at in (0, 1e9, time.time() + 1e6, time.time() + 0.25):
        os.utime(folder.source, (at, at))
        assert folder.calls() == 0
    folder.source.write_bytes(FIRST)
    assert folder.calls() == 0


def test_bytes_are_compared_where_nothing_else_differs(folder: Folder) -> None:
    """Size and time are the old ones: what `rsync --times` and the coarse clock of FAT leave behind."""
    status = folder.source.stat()
    assert folder.calls() == 1
    folder.source.write_bytes(SECOND)
    os.utime(folder.source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [folder.calls() for _ in range(2)] == [1, 0]


LOOKS: list[Callable[[Path], Look]] = [
    lambda _: Look(background="white"),
    lambda _: Look(background="#000"),
    lambda ground: Look(background=ground),
    lambda _: Look(Mode.FOREGROUND_MATTING),
    lambda _: Look(model="u2netp"),
]


def test_another_look_is_another_result(folder: Folder, tmp_path: Path) -> None:
    ground = tmp_path / "ground.png"
    Image.new("RGB", (9, 9), "red").save(ground)
    assert folder.calls() == 1
    for look in LOOKS:
        assert [folder.calls(look(ground)) for _ in range(2)] == [1, 0]
    assert folder.calls(Look(background=ground)) == 1
    Image.new("RGB", (9, 9), "lime").save(ground)
    assert [folder.calls(Look(background=ground)) for _ in range(2)] == [1, 0]
    assert folder.calls(Look(background="red")) == 1
    assert folder.calls(Look(background="#f00")) == 0
    assert folder.calls(Look(format=Format.JPEG)) == 1
    assert folder.calls(Look(format=Format.JPEG, quality=50)) == 1


def test_the_folder_of_results_may_be_copied(folder: Folder, tmp_path: Path) -> None:
    assert folder.calls() == 1
    folder.out = shutil.copytree(folder.out, tmp_path / "copy", copy_function=shutil.copyfile)
    assert folder.calls() == 0
    folder.source.write_bytes(SECOND)
    assert folder.calls() == 1


def test_without_a_record_the_times_decide_once(folder: Folder) -> None:
    assert folder.calls() == 1
    (folder.out / FILE_NAME).unlink()
    assert folder.calls() == 0
    os.utime(folder.source, (0, 0))
    folder.source.write_bytes(SECOND)
    os.utime(folder.source, (0, 0))
    assert folder.calls() == 1


def test_what_is_gone_is_made_again(folder: Folder) -> None:
    assert folder.calls() == 1
    folder.result.unlink()
    assert folder.calls() == 1
    folder.result.write_bytes(b"")
    assert folder.calls() == 1
    assert folder.calls(force=True) == 1


def test_a_folder_in_the_place_of_a_result_costs_nothing(folder: Folder) -> None:
    folder.result.mkdir(parents=True)
    [outcome], _ = collect([folder.source], folder.out, Service(folder.proxy.url, KEYS[0]))
    assert outcome.error
    assert outcome.error.id == "C-WRITE"
    assert folder.proxy.seen == []


@pytest.mark.parametrize(
    "torn", [b'{"result": "a.b', b"[]\n", b"\xff\n", b"[" * 5000 + b"\n", b'{"result": 1, "stamp": "x"}\n']
)
def test_a_record_in_pieces_is_taken_up(folder: Folder, torn: bytes) -> None:
    folder.out.mkdir()
    (folder.out / FILE_NAME).write_bytes(torn)
    assert [folder.calls() for _ in range(3)] == [1, 0, 0]


def test_a_file_that_rests_is_not_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.calls() == 1
    monkeypatch.setattr("segment_client.payload._COARSEST_CLOCK_NS", 0)
    assert folder.calls() == 0
    monkeypatch.setattr("segment_client.maker.read_payload", lambda _: pytest.fail("it is read"))
    assert folder.calls() == 0


def test_a_record_does_not_grow_without_end(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    for number in range(1100):
        Record().add(tmp_path / f"{number % 3}.png", Sent(str(number), "look", None))
    assert len(path.read_bytes().splitlines()) < 2500
    last = {
        row["result"]: row["sent"] for row in map(json.loads, filter(None, path.read_bytes().splitlines()))
    }
    assert last == {"0.png": "1098", "1.png": "1099", "2.png": "1097"}
    assert Record().get(tmp_path / "1.png") == Sent("1099", "look", None)
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    target = tmp_path / os.fsdecode(b"\xff\n.png")
    Record().add(target, Sent("1", "look", (1, 2, 3, 4)))
    assert Record().get(target) == Sent("1", "look", (1, 2, 3, 4))


def test_a_source_that_changes_under_way_is_sent_again(host: Host, tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(FIRST)

    def change(number: int, _: bytes) -> Fault:
        if number == 0:
            source.write_bytes(encoded("JPEG", 70, 60))
        return Fault.NONE

    with faulty_proxy(host.url, change) as proxy:
        service = Service(proxy.url, KEYS[0])
        runs = [collect([source], tmp_path / "out", service)[0] for _ in range(3)]
    sizes = [outcome.answer and outcome.answer.width for [outcome] in runs]
    assert sizes == [64, 70, None]
