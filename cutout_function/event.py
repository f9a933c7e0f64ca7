"""Event Grid's event for a new blob, parsed from the queue's message.

https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage describes both schemas.
"""

import base64
import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

from cutout_function.names import is_addressable, is_folder

BLOB_CREATED = "Microsoft.Storage.BlobCreated"
BLOB_RENAMED = "Microsoft.Storage.BlobRenamed"
"""For accounts with a hierarchical namespace: a rename sends no BlobCreated."""

_UNFINISHED = {"CreateFile", "SftpCreate", "SftpWrite"}
"""Calls whose event comes before the blob is complete; FlushWithClose or SftpCommit sends another."""

_ACCOUNT = re.compile(r"/providers/Microsoft\.Storage/storageAccounts/([^/]+)", re.IGNORECASE)
_SUBJECT = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
# U+FFFD marks a character that Event Grid lost; half a surrogate pair has no UTF-8 form.
_DAMAGED = re.compile("[\ufffd\ud800-\udfff]")


class MalformedMessageError(ValueError):
    """The message is not an event; it is retried, and finally goes to the poison queue."""


@dataclass(frozen=True)
class Event:
    """An event in either schema. Missing values are empty; so is `account` for other event sources.

    `api` is the storage call that caused it; `url` has the blob's name after that call.
    """

    type: str
    api: str
    account: str
    subject: str
    url: str


@dataclass(frozen=True)
class Ignored:
    """The event needs no action, or an operator must act first."""

    reason: str
    needs_operator: bool = False

    def __str__(self) -> str:
        return f"ignored: {self.reason}"


def parse_event(message: bytes) -> Event:
    """Read a message in the Event Grid or the CloudEvents 1.0 schema, plain or in base64.

    Raises MalformedMessageError.
    """
    try:
        document = json.loads(_json_text(message))
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError("neither JSON nor JSON in base64") from error
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise MalformedMessageError("not one event")
    is_cloud_event = "specversion" in document
    account = _ACCOUNT.search(_text(document.get("source" if is_cloud_event else "topic")))
    type_ = _text(document.get("type" if is_cloud_event else "eventType"))
    data = document.get("data")
    if not isinstance(data, dict):
        data = {}
    event = Event(
        type=type_,
        api=_text(data.get("api")),
        account=account[1] if account else "",
        subject=_text(document.get("subject")),
        url=_text(data.get("destinationUrl" if type_ == BLOB_RENAMED else "url")),
    )
    if not event.type:
        raise MalformedMessageError("not an event")
    return event


def watched_names(event: Event, account: str, container: str) -> tuple[str, ...] | Ignored:
    """The names the blob can have now, most likely first, if it is a picture of this container and account.

    `subject` has the plain name, but without characters outside the basic multilingual plane, which Event
    Grid loses. `data.url` has all characters, percent-encoded except for some reserved ones. If the two
    differ, both names are returned: a job checks what is stored, so a wrong name does no harm.

    Raises MalformedMessageError when the event is of a new blob but does not tell which.
    """
    if event.type not in (BLOB_CREATED, BLOB_RENAMED):
        return Ignored(f"event type {event.type!r}")
    subject = _SUBJECT.fullmatch(event.subject)
    if not event.account or subject is None:
        raise MalformedMessageError("names no storage account, or no blob")
    if event.account.lower() != account.lower():
        return Ignored(f"account {event.account!r}")
    if subject[1] != container:
        return Ignored(f"container {subject[1]!r}")
    # Split by hand: an unescaped "#" or "?" belongs to the name here.
    _, _, in_url = event.url.partition(f"/{container}/")
    names = dict.fromkeys((subject[2], unquote(in_url)))
    intact = tuple(name for name in names if name and not _DAMAGED.search(name))
    if not intact:
        raise MalformedMessageError("neither subject nor url has an intact name")
    if event.api in _UNFINISHED:
        return Ignored(f"{event.api} of {intact[0]!r}: the upload has only begun")
    return _of_pictures(intact)


def _of_pictures(names: tuple[str, ...]) -> tuple[str, ...] | Ignored:
    files = tuple(name for name in names if not is_folder(name))
    if not files:
        return Ignored(f"{names[0]!r} is the name of a folder")
    addressable = tuple(name for name in files if is_addressable(name))
    if not addressable:
        reason = f"{files[0]!r} has a segment . or .. and cannot be read; give the blob another name"
        return Ignored(reason, needs_operator=True)
    return addressable


def _json_text(message: bytes) -> bytes:
    text = message.strip()
    return text if text[:1] in b"{[" else base64.b64decode(text, validate=True)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
