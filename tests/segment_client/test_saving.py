"""Results on shares that refuse what disks take."""

import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segment_client.errors import Unwritable
from segment_client.saving import Saver
from tests.support.hosts import PROJECT

RESULT = b"a result that was paid for"


def refuse(number: int) -> Callable[..., None]:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def save(saver: Saver, target: Path) -> int:
    with saver.beside(target) as part:
        part.file.write(RESULT)
        return saver.put(part)


@pytest.mark.parametrize("call", ["fsync", "replace", "utime"])
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM, errno.EIO, errno.ENOTSUP, errno.EEXIST])
def test_what_a_share_refuses_costs_no_result(
    tmp_path: Path, call: str, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, call, refuse(number))
    saver = Saver()
    targets = [tmp_path / "a.png", tmp_path / "sub" / "b.png", tmp_path / "old.png"]
    targets[2].write_bytes(b"an older result")
    assert [save(saver, target) for target in targets] == [len(RESULT)] * 3
    assert [target.read_bytes() for target in targets] == [RESULT] * 3
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(targets)
    assert len(caplog.records) == (0 if call == "utime" else 1)


def test_a_share_without_any_renaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", refuse(errno.EPERM))
    monkeypatch.setattr(os, "rename", refuse(errno.EPERM))
    save(Saver(), tmp_path / "a.png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [RESULT]


def test_what_cannot_be_put_in_its_place_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("replace", "rename"):
        monkeypatch.setattr(os, call, refuse(errno.EACCES))
    monkeypatch.setattr("shutil.copyfile", refuse(errno.EACCES))
    with pytest.raises(Unwritable) as raised:
        save(Saver(), tmp_path / "a.png")
    [kept] = tmp_path.iterdir()
    assert kept.read_bytes() == RESULT
    assert str(kept) in raised.value.message


def test_an_older_result_goes_only_for_a_new_one(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"an older result")
    saver = Saver()
    with saver.beside(target) as part:
        part.path.unlink()
        with pytest.raises(Unwritable):
            saver.put(part)
    assert target.read_bytes() == b"an older result"


CRASHING = """
import os, signal, sys
from pathlib import Path
from segment_client.saving import Saver

def crash(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] != "write":
    setattr(os, sys.argv[2], crash)
saver = Saver()
with saver.beside(Path(sys.argv[1])) as part:
    part.file.write(b"a" * 100_000)
    if sys.argv[2] == "write":
        crash()
    saver.put(part)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_crash_leaves_the_older_result(tmp_path: Path, moment: str) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"an older result")
    crashed = subprocess.run([sys.executable, "-c", CRASHING, target, moment], cwd=PROJECT, check=False)
    assert crashed.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"an older result"
    [rest] = set(tmp_path.iterdir()) - {target}
    assert rest.name.startswith(".")


def test_a_result_appears_as_a_whole(tmp_path: Path) -> None:
    """What was written is renamed and not copied."""
    target = tmp_path / "a.png"
    with (saver := Saver()).beside(target) as part:
        part.file.write(RESULT)
        written = part.path.stat().st_ino
        assert not target.exists()
        saver.put(part)
    assert (target.stat().st_ino, target.read_bytes()) == (written, RESULT)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_whim_of_a_share(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number))
    with caplog.at_level(logging.WARNING), pytest.raises(Unwritable):
        save(Saver(), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


@pytest.mark.parametrize("target", ["folder", "file/a.png", "x" * 300, "/".join(["x" * 200] * 30)])
def test_where_no_result_can_be_is_known_before(tmp_path: Path, target: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unwritable), Saver().beside(tmp_path / target):
        pytest.fail("it would have been paid for")
