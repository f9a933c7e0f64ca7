import os
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from segment_client.folder import NOT_TAKEN, PICTURES, Folder, Found, Lost, Placed


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def folder(root: Path) -> Folder:
    return Folder(root, root.parent / "out", root.parent / "out", ".png")


def listed(found: Iterable[list[Found]], root: Path) -> list[tuple[str, str]]:
    """Sources and targets, each below its folder; of what is lost, the message."""
    return [
        (
            str(Path(one.source).relative_to(root)),
            str(one.target.relative_to(root.parent / "out"))
            if isinstance(one, Placed)
            else one.error.message,
        )
        for one in chain.from_iterable(found)
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def test_pictures_in_the_order_of_names_with_the_same_shape(root: Path) -> None:
    make(root, "b/2.PNG", "b/1.jpeg", "a/x/deep.tiff", "z.webp", "new\nline.gif")
    assert listed(folder(root).pictures(), root) == [
        ("new\nline.gif", "new\nline.gif.png"),
        ("z.webp", "z.webp.png"),
        ("a/x/deep.tiff", "a/x/deep.tiff.png"),
        ("b/1.jpeg", "b/1.jpeg.png"),
        ("b/2.PNG", "b/2.PNG.png"),
    ]


def test_what_is_no_picture_is_counted(root: Path) -> None:
    make(
        root,
        "a.jpg",
        "b.mov",
        "c.mov",
        "sub/d.txt",
        "none",
        "a.verylongsuffix",
        ".hidden.jpg",
        ".git/e.jpg",
    )
    photos = folder(root)
    assert listed(photos.pictures(), root) == [("a.jpg", "a.jpg.png")]
    assert photos.passed_over == Counter({".mov": 2, ".txt": 1, "other": 2})


def test_pictures_that_are_not_taken_are_told(root: Path) -> None:
    make(root, "a.JXL", "b.Avifs", "sub/c.dng", "d.psd")
    (root / "e.jxl").mkdir()
    found = list(chain(*folder(root).pictures()))
    assert [(Path(one.source).name, one.error.id) for one in found if isinstance(one, Lost)] == [
        (name, "C-FORMAT") for name in ("a.JXL", "b.Avifs", "d.psd", "c.dng")
    ]


def test_no_picture_is_both_taken_and_not() -> None:
    assert not PICTURES & NOT_TAKEN


def test_each_folder_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are beside each other, and however many of them have changed."""
    names = [f"{number}/a.jpg" for number in range(300)]
    make(root, *names)
    read: Counter[Path] = Counter()
    scandir = os.scandir

    def counted(path: Path) -> object:
        read[path] += 1
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    photos = folder(root)
    for found in (photos.pictures(), photos.changed([root / name for name in names])):
        read.clear()
        assert len(list(chain(*found))) == 300
        assert len(read) == read.total() == 301


@pytest.mark.skipif(sys.platform == "win32", reason="needs folders that are deeper than paths are long")
def test_a_path_that_is_too_long_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root, "a.jpg")
    with monkeypatch.context() as patch:
        patch.chdir(root)
        for _ in range(25):
            Path("x" * 200).mkdir()
            os.chdir("x" * 200)
    found = list(chain(*folder(root).pictures()))
    assert [type(one) for one in found] == [Placed, Lost]
    assert [one.error.message for one in found if isinstance(one, Lost)] == ["File name too long"]


def test_a_changed_folder_that_is_gone_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(root, "a.jpg")
    changed = folder(root).changed([root / "sub" / "deep" / "b.jpg", root / "a.jpg"])
    assert listed(changed, root) == [("a.jpg", "a.jpg.png")]
    assert [record.message for record in caplog.records] == [
        f"{root / 'sub' / 'deep'}: No such file or directory"
    ]


def test_results_inside_are_no_sources(root: Path) -> None:
    make(root, "a.jpg", "cut/a.jpg.png", "cut/sub/b.jpg.png")
    (root / "again").symlink_to(root / "cut" / "sub")
    photos = Folder(root, root / "cut", root / "cut", ".png")
    assert [found.source for found in chain(*photos.pictures())] == [root / "a.jpg"]
    assert (
        list(
            chain(
                *photos.changed(
                    [root / "cut" / "a.jpg.png", root / "cut", root / "cut" / "sub" / "b.jpg.png"]
                )
            )
        )
        == []
    )


def test_links_are_followed_once(root: Path) -> None:
    make(root, "real/a.jpg")
    make(root.parent, "elsewhere/b.jpg")
    (root / "real" / "up").symlink_to(root)
    (root / "real" / "self").symlink_to("self")
    (root / "twin").symlink_to("real")
    (root / "far").symlink_to(root.parent / "elsewhere")
    (root / "file.jpg").symlink_to(root / "real" / "a.jpg")
    assert listed(folder(root).pictures(), root) == [
        ("file.jpg", "file.jpg.png"),
        ("far/b.jpg", "far/b.jpg.png"),
        ("real/a.jpg", "real/a.jpg.png"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs FIFOs")
def test_what_cannot_be_a_picture_is_told(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    (root / "gone.jpg").symlink_to("nowhere")
    (root / "ring.jpg").symlink_to("ring.jpg")
    found = list(folder(root).pictures())
    assert listed(found, root) == [
        ("gone.jpg", "no such file"),
        ("pipe.jpg", "not a regular file"),
        ("ring.jpg", "no such file"),
    ]
    assert {one.error.id for one in chain(*found) if isinstance(one, Lost)} == {"C-READ"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_folder_is_told(root: Path) -> None:
    make(root, "a.jpg", "locked/b.jpg")
    (root / "locked").chmod(0)
    try:
        assert listed(folder(root).pictures(), root) == [
            ("a.jpg", "a.jpg.png"),
            ("locked", "Permission denied"),
        ]
    finally:
        (root / "locked").chmod(0o700)


def test_a_folder_that_has_gone_is_told(root: Path) -> None:
    assert listed(folder(root / "no").pictures(), root) == [("no", "No such file or directory")]


def test_changes_have_the_places_of_the_walk(root: Path) -> None:
    make(root, "a.jpg", "A.jpg", "sub/b.jpg", "sub/c/d.jpg", "SUB/e.jpg", "x.txt", ".hidden/f.jpg")
    photos = folder(root)
    everything = listed(photos.pictures(), root)
    paths = [path for path in root.rglob("*") if path.is_file()]
    assert sorted(listed(photos.changed(paths), root)) == sorted(everything)
    assert sorted(listed(photos.changed([root / "sub"]), root)) == [
        pair for pair in sorted(everything) if pair[0].startswith("sub")
    ]
    assert listed(photos.changed([root, root / "gone.jpg"]), root) == []
