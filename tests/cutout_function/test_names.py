from itertools import product
from urllib.parse import unquote, urlsplit

import pytest
import requests
from azure.storage.blob import ContainerClient

from cutout_function.names import error_name, is_addressable, is_folder, picture_name

UPLOADS = ContainerClient("https://pictures.blob.core.windows.net", "uploads")
ADDRESSABLE = [
    "a/b.jpg",
    "a//b.jpg",
    "/a.jpg",
    ".hidden",
    "a.",
    "a./b.jpg",
    "...",
    "a/.../b.jpg",
    "..jpg",
    "%2e%2e/b.jpg",
    "a/%2E%2E/b.jpg",
    "a/..%2Fb.jpg",
    "a/..;/b.jpg",
    "?x=..#a/b?.jpg",
    "# ~+&=@:!$'()*,",
    "Übung/写真 🏆.png",
    "two\nlines",
]
NOT_ADDRESSABLE = [
    "?x=/../b.jpg#",
    "..",
    ".",
    "../b.jpg",
    "../other/b.jpg",
    "./b.jpg",
    "a/../b.jpg",
    "a/../../other/b.jpg",
    "a/./b.jpg",
    "a/..",
    "a/.",
    "a//../b.jpg",
    "a\\..\\b.jpg",
    "a/..\\b.jpg",
]


def requested_name(name: str) -> str:
    """The blob that a request for `name` reaches, as the storage client's HTTP library sends it."""
    url = requests.Request("GET", UPLOADS.get_blob_client(name).url).prepare().url
    return unquote(urlsplit(str(url)).path.removeprefix("/uploads/"))


def test_names() -> None:
    assert picture_name("f/a.jpg") == "f/a.jpg.png"
    assert error_name("f/a.jpg") == "f/a.jpg.error.json"


def test_no_two_inputs_share_an_output() -> None:
    inputs = ["a" + "".join(ends) for ends in product(["", ".png", ".error.json", ".jpg"], repeat=3)]
    inputs = sorted(set(inputs))
    outputs = [name(one) for one in inputs for name in (picture_name, error_name)]
    assert len(set(outputs)) == 2 * len(inputs)


@pytest.mark.parametrize("name", ADDRESSABLE)
@pytest.mark.parametrize("called", [str, picture_name, error_name])
def test_a_request_reaches_the_blob_that_is_named(name: str, called: type[str]) -> None:
    assert is_addressable(name)
    assert requested_name(called(name)) == called(name)


@pytest.mark.parametrize("name", NOT_ADDRESSABLE)
def test_names_that_lead_elsewhere(name: str) -> None:
    assert not is_addressable(name)
    if "\\" not in name:  # those are sent as they are, and resolved by whoever takes them for slashes
        assert requested_name(name) != name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/", True), ("a/b/", True), ("/", True), ("a\\", True), ("a", False), ("a/b", False), ("a%2F", False)],
)
def test_folders(name: str, expected: bool) -> None:
    assert is_folder(name) is expected
