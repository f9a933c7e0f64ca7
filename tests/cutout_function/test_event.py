import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from cutout_function.event import Ignored, MalformedMessageError, parse_event, watched_names
from local_host.events import NewBlob, blob_created, queue_message
from tests.cutout_function.test_names import NOT_ADDRESSABLE
from tests.support.cloud_events import blob_created_cloud_event

BLOB = NewBlob(
    "https://pictures.blob.core.windows.net/", "pictures", "uploads", "a.jpg", '"0x8D"', 5, "image/jpeg"
)


def names(event: dict[str, Any], account: str = "pictures") -> tuple[str, ...] | Ignored:
    return watched_names(parse_event(json.dumps(event).encode()), account, "uploads")


def event_of(subject_name: str, url_name: str) -> dict[str, Any]:
    event: dict[str, Any] = blob_created(BLOB)
    event["subject"] = "/blobServices/default/containers/uploads/blobs/" + subject_name
    event["data"]["url"] = "https://pictures.blob.core.windows.net/uploads/" + url_name
    return event


def as_bytes(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


@pytest.mark.parametrize("schema", [blob_created, blob_created_cloud_event])
@pytest.mark.parametrize(
    "encode",
    [
        as_bytes,
        lambda event: queue_message(event).encode(),
        lambda event: b"[" + as_bytes(event) + b"]",
        lambda event: base64.b64encode(b"[" + as_bytes(event) + b"]"),
        lambda event: b"\r\n " + as_bytes(event) + b"\n",
        lambda event: json.dumps(event, ensure_ascii=False, indent=2).encode(),
    ],
    ids=["plain", "base64", "list", "base64 list", "white space", "indented"],
)
def test_both_schemas_in_every_form(
    schema: Callable[[NewBlob], dict[str, Any]], encode: Callable[[dict[str, Any]], bytes]
) -> None:
    event = parse_event(encode(schema(BLOB)))
    assert watched_names(event, "pictures", "uploads") == ("a.jpg",)


@pytest.mark.parametrize(
    ("in_subject", "in_url", "expected"),
    [
        ("a.jpg", "a.jpg", ("a.jpg",)),
        ("f/g/a b.jpg", "f/g/a%20b.jpg", ("f/g/a b.jpg",)),
        ("100%.jpg", "100%25.jpg", ("100%.jpg",)),
        ("a%20b.jpg", "a%2520b.jpg", ("a%20b.jpg",)),
        ("Übung/été.png", "%C3%9Cbung/%C3%A9t%C3%A9.png", ("Übung/été.png",)),
        ("a#b?c+d.jpg", "a#b?c+d.jpg", ("a#b?c+d.jpg",)),
        ("a#b?c.jpg", "a%23b%3Fc.jpg", ("a#b?c.jpg",)),
        ("uploads/a.jpg", "uploads/a.jpg", ("uploads/a.jpg",)),
        ("two\nlines", "two%0Alines", ("two\nlines",)),
        # Event Grid puts U+FFFD for each half of a surrogate pair into the subject.
        ("cup \ufffd\ufffd.png", "cup%20%F0%9F%8F%86.png", ("cup 🏆.png",)),
        ("cup \ud83c.png", "cup%20%F0%9F%8F%86.png", ("cup 🏆.png",)),
        # Nothing is documented of the URL's escapes: a job looks for both readings.
        ("50%25.jpg", "50%25.jpg", ("50%25.jpg", "50%.jpg")),
        ("a%20b.jpg", "a%20b.jpg", ("a%20b.jpg", "a b.jpg")),
        ("a.jpg", "", ("a.jpg",)),
        ("a.jpg", "%FF.jpg", ("a.jpg",)),
    ],
)
def test_the_name_is_read_from_subject_and_url(
    in_subject: str, in_url: str, expected: tuple[str, ...]
) -> None:
    assert names(event_of(in_subject, in_url)) == expected


def test_addresses_with_the_account_in_the_path() -> None:
    event = blob_created(replace(BLOB, service_url="http://127.0.0.1:10000/pictures", name="a b"))
    assert names(event) == ("a b",)


def test_letter_case_of_the_account_does_not_count() -> None:
    topic = "/SUBSCRIPTIONS/S/resourcegroups/r/providers/microsoft.storage/storageaccounts/PICTURES"
    assert names(blob_created(BLOB) | {"topic": topic}) == ("a.jpg",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"eventType": "Microsoft.Storage.BlobDeleted"}, "event type 'Microsoft.Storage.BlobDeleted'"),
        ({"eventType": "Microsoft.EventGrid.SubscriptionDeletedEvent"}, "event type"),
        ({"eventType": "microsoft.storage.blobcreated"}, "event type"),
        ({"eventType": "Microsoft.Storage.DirectoryRenamed"}, "event type"),
        ({"eventType": "Microsoft.Storage.BlobTierChanged"}, "event type"),
        ({"subject": "/blobServices/default/containers/cutouts/blobs/a.jpg"}, "container 'cutouts'"),
        ({"subject": "/blobServices/default/containers/uploads-2/blobs/a.jpg"}, "container 'uploads-2'"),
    ],
)
def test_what_is_not_ours_is_ignored(change: dict[str, str], reason: str) -> None:
    decision = names(blob_created(BLOB) | change)
    assert isinstance(decision, Ignored)
    assert decision.reason.startswith(reason)


RENAMED = {
    "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/pictures",
    "subject": "/blobServices/default/containers/uploads/blobs/new/a b.jpg",
    "eventType": "Microsoft.Storage.BlobRenamed",
    "eventTime": "2026-06-26T18:41:00.9584103Z",
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "data": {
        "api": "RenameFile",
        "destinationUrl": "https://pictures.dfs.core.windows.net/uploads/new/a%20b.jpg",
        "sourceUrl": "https://pictures.dfs.core.windows.net/uploads/old/a.tmp",
        "sequencer": "00000000000004420000000000028963",
    },
    "dataVersion": "1",
    "metadataVersion": "1",
}


@pytest.mark.parametrize(
    ("subject_name", "destination", "expected"),
    [
        ("new/a b.jpg", "new/a%20b.jpg", ("new/a b.jpg",)),
        ("cup \ufffd\ufffd.png", "cup%20%F0%9F%8F%86.png", ("cup 🏆.png",)),
        ("50%25.jpg", "50%25.jpg", ("50%25.jpg", "50%.jpg")),
    ],
)
def test_a_renamed_blob_has_its_new_name(
    subject_name: str, destination: str, expected: tuple[str, ...]
) -> None:
    data = {
        "api": "SftpRename",
        "destinationUrl": "https://pictures.blob.core.windows.net/uploads/" + destination,
        "sourceUrl": "https://pictures.blob.core.windows.net/uploads/old.jpg",
        "url": "https://pictures.blob.core.windows.net/uploads/not%20this%20one.jpg",
    }
    subject = "/blobServices/default/containers/uploads/blobs/" + subject_name
    assert names(RENAMED | {"data": data, "subject": subject}) == expected


def test_a_renamed_blob_in_either_schema() -> None:
    cloud_event = {key: value for key, value in RENAMED.items() if key in {"subject", "data", "id"}}
    cloud_event |= {"specversion": "1.0", "type": RENAMED["eventType"], "source": RENAMED["topic"]}
    assert names(RENAMED) == names(cloud_event) == ("new/a b.jpg",)


def test_a_blob_renamed_out_of_the_container_is_ignored() -> None:
    subject = "/blobServices/default/containers/archive/blobs/a.jpg"
    data = {"destinationUrl": "https://pictures.dfs.core.windows.net/archive/a.jpg"}
    assert names(RENAMED | {"subject": subject, "data": data}) == Ignored("container 'archive'")


@pytest.mark.parametrize("schema", [blob_created, blob_created_cloud_event])
@pytest.mark.parametrize(
    ("api", "is_whole"),
    [
        ("PutBlob", True),
        ("PutBlockList", True),
        ("CopyBlob", True),
        ("CreateFile", False),
        ("FlushWithClose", True),
        ("SftpCreate", False),
        ("SftpWrite", False),
        ("SftpCommit", True),
        ("ACallOfTheFuture", True),
    ],
)
def test_an_upload_that_has_only_begun_is_ignored(
    schema: Callable[[NewBlob], dict[str, Any]], api: str, is_whole: bool
) -> None:
    event = schema(replace(BLOB, size_bytes=0))
    event["data"]["api"] = api
    event["data"]["url"] = "https://pictures.dfs.core.windows.net/uploads/a.jpg"
    ignored = Ignored(f"{api} of 'a.jpg': the upload has only begun")
    assert names(event) == (("a.jpg",) if is_whole else ignored)


@pytest.mark.parametrize("in_url", ["a/", "a%2F"])
def test_a_folder_is_ignored(in_url: str) -> None:
    assert names(event_of("a/", in_url)) == Ignored("'a/' is the name of a folder")


def test_only_readings_that_a_picture_can_have_are_looked_for() -> None:
    assert names(event_of("a%2F", "a%2F")) == ("a%2F",)
    assert names(event_of("a/%2E%2E/b", "a/%2E%2E/b")) == ("a/%2E%2E/b",)


@pytest.mark.parametrize("name", NOT_ADDRESSABLE)
def test_a_name_that_leads_elsewhere_is_ignored(name: str) -> None:
    decision = names(event_of(name, quote(name)))
    assert isinstance(decision, Ignored)
    assert decision.reason.startswith(repr(name))


def test_another_account_is_ignored() -> None:
    assert names(blob_created(BLOB), account="other") == Ignored("account 'pictures'")


def test_events_of_other_types_need_no_subject() -> None:
    decision = names({"specversion": "1.0", "type": "Any.Other", "source": "/somewhere", "id": "1"})
    assert decision == Ignored("event type 'Any.Other'")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        b"{",
        b"[]",
        b"[{},{}]",
        b"null",
        b"{}",
        b'"text"',
        b"\xff\xfe\xfd",
        b"{" * 100_000,
        b"[" * 100_000,
        base64.b64encode(b"hello"),
        base64.b64encode(b"\xff" * 20),
        json.dumps({"eventType": 7, "topic": "t", "subject": "s"}).encode(),
        json.dumps([blob_created(BLOB)] * 2).encode(),
    ],
)
def test_malformed_messages(message: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse_event(message)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""},
        {"subject": None},
        {"subject": "/blobServices/default/containers/uploads"},
        {"subject": "/blobServices/default/containers/uploads/blobs/"},
        {"topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.EventGrid/topics/t"},
        {"topic": None},
        {"subject": "/blobServices/default/containers/uploads/blobs/\ufffd", "data": {"url": 5}},
        {"subject": "/blobServices/default/containers/uploads/blobs/\ufffd", "data": "text"},
    ],
)
def test_a_new_blob_that_is_not_named_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(MalformedMessageError):
        names(blob_created(BLOB) | change)
