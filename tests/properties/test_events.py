"""Events and names of blobs: what is told comes back, and what is no event is refused as documented."""

import base64
import json
from collections.abc import Callable

from hypothesis import assume, given
from hypothesis import strategies as st

from cutout_function.event import Ignored, MalformedMessageError, parse_event, watched_names
from cutout_function.names import error_name, is_addressable, is_folder, picture_name
from local_host.events import NewBlob, blob_created, queue_message
from tests.properties.strategies import damaged
from tests.support.cloud_events import blob_created_cloud_event

ACCOUNT, CONTAINER = "pictures", "uploads"

type Maker = Callable[[NewBlob], dict[str, object]]

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)
makers = st.sampled_from((blob_created, blob_created_cloud_event))


def blob(name: str) -> NewBlob:
    return NewBlob(
        "https://pictures.blob.core.windows.net", ACCOUNT, CONTAINER, name, '"0x1"', 5, "image/png"
    )


def asked(message: bytes) -> tuple[str, ...] | Ignored | None:
    """What is to be done about a message; None for one that goes to the poison queue."""
    try:
        return watched_names(parse_event(message), ACCOUNT, CONTAINER)
    except MalformedMessageError:
        return None


@given(names, makers)
def test_a_name_comes_back(name: str, make: Maker) -> None:
    assume("\ufffd" not in name)
    found = asked(queue_message(make(blob(name))).encode())
    if is_folder(name) or not is_addressable(name):
        assert isinstance(found, Ignored)
    else:
        assert isinstance(found, tuple)
        assert name in found


@given(names, names)
def test_no_two_outputs_have_one_name(one: str, other: str) -> None:
    assume(one != other)
    assert len({picture_name(one), picture_name(other), error_name(one), error_name(other)}) == 4 or one in (
        other + ".error.json",
        other + ".png",
    )


@given(names)
def test_an_output_is_addressed_as_its_source(name: str) -> None:
    assume(is_addressable(name) and not is_folder(name))
    for output in (picture_name(name), error_name(name)):
        assert output.startswith(name)
        assert is_addressable(output)
        assert not is_folder(output)


@given(st.binary(max_size=200))
def test_any_message(message: bytes) -> None:
    asked(message)


@given(documents)
def test_any_document(document: object) -> None:
    text = json.dumps(document).encode()
    assert asked(text) == asked(base64.b64encode(text))


@given(names, makers, st.data())
def test_nearly_an_event(name: str, make: Maker, choice: st.DataObject) -> None:
    text = json.dumps(make(blob(name))).encode()
    asked(choice.draw(damaged(text)))


@given(makers, st.data())
def test_an_event_with_other_values(make: Maker, choice: st.DataObject) -> None:
    event = make(blob("a.jpg"))
    for key in choice.draw(st.lists(st.sampled_from(sorted(event)), max_size=4)):
        event[key] = choice.draw(documents)
    data = event["data"]
    if isinstance(data, dict):
        for key in choice.draw(st.lists(st.sampled_from(("api", "url", "destinationUrl")), max_size=3)):
            data[key] = choice.draw(documents)
    asked(json.dumps(event).encode())
