import os
import unicodedata

import pytest

from segment_client.placing import mark, result_names, url_name


@pytest.mark.parametrize(
    ("names", "folders", "expected"),
    [
        (["a.jpg", "a.png", "b"], [], {"a.jpg": "a.jpg.png", "a.png": "a.png.png", "b": "b.png"}),
        (
            ["a.jpg", "A.jpg"],
            [],
            {"a.jpg": f"a.jpg~{mark('a.jpg')}.png", "A.jpg": f"A.jpg~{mark('A.jpg')}.png"},
        ),
        (["a.jpg", "a.jpg.png"], [], {"a.jpg": "a.jpg.png", "a.jpg.png": "a.jpg.png.png"}),
        (
            ["a.jpg"],
            ["A.JPG.PNG"],
            {"a.jpg": f"a.jpg~{mark('a.jpg')}.png", "A.JPG.PNG": f"A.JPG.PNG~{mark('A.JPG.PNG')}"},
        ),
        ([], ["x", "X", "y"], {"x": f"x~{mark('x')}", "X": f"X~{mark('X')}", "y": "y"}),
        (["stra\u00dfe.jpg", "STRASSE.jpg"], [], None),
        ([unicodedata.normalize(form, "\u00e9.jpg") for form in ("NFC", "NFD")], [], None),
        (["a\nb.jpg", "a\udcffb.jpg"], [], {"a\nb.jpg": "a\nb.jpg.png", "a\udcffb.jpg": "a\udcffb.jpg.png"}),
    ],
)
def test_names(names: list[str], folders: list[str], expected: dict[str, str] | None) -> None:
    results = result_names(names, folders, ".png")
    if expected is not None:
        assert results == expected
    folded = {unicodedata.normalize("NFC", name).casefold() for name in results.values()}
    assert len(folded) == len(names) + len(folders)


@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "\u00e9" * 125 + ".jpg", "\U0001f5bc" * 62 + ".jpg"])
def test_long_names_fit(name: str) -> None:
    other = name[:-5] + "y.jpg"
    results = result_names([name, other], [], ".png")
    assert len(set(results.values())) == 2
    assert all(len(os.fsencode(result)) <= 240 and result.endswith(".png") for result in results.values())


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/a/photo.jpg?size=2", "photo.jpg"),
        ("https://example.com/caf%C3%A9%2Fx.jpg", "x.jpg"),
        ("https://example.com/", "example.com"),
        ("https://example.com/..", "picture"),
        ("https://example.com/%00%0a:*", "_"),
        ("https://example.com/CON", "_CON"),
        ("https://example.com/nul.jpg", "_nul.jpg"),
        ("https://example.com/" + "x" * 300, "x" * 100),
    ],
)
def test_url_names(url: str, name: str) -> None:
    assert url_name(url) == name
