import os
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from segment_client.folder import Folder, Found, Lost, Placed


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
