from itertools import chain
from pathlib import Path

import pytest

from segment_client.folder import Lost, Placed
from segment_client.placing import mark
from segment_client.sources import locate


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("one/a.jpg", "one/x/b.jpg", "two/a.jpg", "two/x/one/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


URL = "https://example.com/a.jpg"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        (["one"], ["a.jpg.png", "x/b.jpg.png"]),
        (["."], ["one/a.jpg.png", "one/x/b.jpg.png", "two/a.jpg.png", "two/x/one/c.jpg.png"]),
        (["one", "two/x"], ["one/a.jpg.png", "one/x/b.jpg.png", "x/one/c.jpg.png"]),
        (["one", "one"], ["a.jpg.png", "x/b.jpg.png"]),
        (["one/a.jpg"], ["a.jpg.png"]),
        (["one/a.jpg", "one/a.jpg"], ["a.jpg.png"]),
        (["one/a.jpg", "two/a.jpg"], [f"a~{mark('one/a.jpg')}.jpg.png", f"a~{mark('two/a.jpg')}.jpg.png"]),
        ([URL], ["a.jpg.png"]),
        ([URL, "one/a.jpg"], [f"a~{mark(URL)}.jpg.png", f"a~{mark('one/a.jpg')}.jpg.png"]),
        ([URL, URL + "?2"], [f"a~{mark(URL)}.jpg.png", f"a~{mark(URL + '?2')}.jpg.png"]),
        (["one", "two/x/one"], [f"one~{mark('one')}/a.jpg.png", f"one~{mark('one')}/x/b.jpg.png",
                                f"one~{mark('two/x/one')}/c.jpg.png"]),
        (["one", "two/a.jpg"], ["a.jpg.png", "one/a.jpg.png", "one/x/b.jpg.png"]),
    ],
)  # fmt: skip
def test_places(sources: list[str], targets: list[str]) -> None:
    found = chain.from_iterable(locate(sources, Path("out"), ".png").all())
    assert [one.target.relative_to("out").as_posix() for one in found if isinstance(one, Placed)] == targets


@pytest.mark.usefixtures("here")
def test_a_file_that_is_not_there() -> None:
    [[lost]] = locate(["none.jpg"], Path("out"), ".png").all()
    assert isinstance(lost, Lost)
    assert lost.error.id == "C-READ"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("source", "out"), [("one", "one"), ("one/x", "one"), (".", "."), ("one", ".")])
def test_sources_and_results_are_kept_apart(source: str, out: str) -> None:
    with pytest.raises(ValueError, match="among the sources"):
        locate([source], Path(out), ".png")
