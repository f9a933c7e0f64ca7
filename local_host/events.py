"""The events that Event Grid sends for new blobs, made here because the storage emulator sends none.

The shape is that of https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote


@dataclass(frozen=True)
class NewBlob:
    """What an event says about a blob. `service_url` is the address of the account's blob service."""

    service_url: str
    account: str
    container: str
    name: str
    etag: str
    size_bytes: int
    content_type: str


def blob_created(blob: NewBlob) -> dict[str, object]:
    """The event in the Event Grid schema. The subject has the blob's plain name, the URL the escaped one."""
    return {
        "topic": _topic(blob.account),
        "subject": _subject(blob),
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": _now(),
        "id": str(uuid.uuid4()),
        "data": _data(blob),
        "dataVersion": "",
        "metadataVersion": "1",
    }


def queue_message(event: Mapping[str, object]) -> str:
    """The message Event Grid puts into a storage queue: one event in base64."""
    return base64.b64encode(json.dumps(event).encode()).decode()


def _topic(account: str) -> str:
    subscription = "/subscriptions/00000000-0000-0000-0000-000000000000"
    return f"{subscription}/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/{account}"


def _subject(blob: NewBlob) -> str:
    return f"/blobServices/default/containers/{blob.container}/blobs/{blob.name}"


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _data(blob: NewBlob) -> dict[str, object]:
    return {
        "api": "PutBlob",
        "clientRequestId": str(uuid.uuid4()),
        "requestId": str(uuid.uuid4()),
        "eTag": blob.etag.strip('"'),
        "contentType": blob.content_type,
        "contentLength": blob.size_bytes,
        "blobType": "BlockBlob",
        "url": f"{blob.service_url.rstrip('/')}/{blob.container}/{quote(blob.name, safe='/#')}",
        "sequencer": "0" * 48,
        "storageDiagnostics": {"batchId": str(uuid.uuid4())},
    }
