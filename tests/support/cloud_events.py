"""Events of new blobs in the other of Event Grid's two schemas."""

from local_host.events import NewBlob, blob_created


def blob_created_cloud_event(blob: NewBlob) -> dict[str, object]:
    """The event in the CloudEvents 1.0 schema."""
    event = blob_created(blob)
    return {
        "source": event["topic"],
        "subject": event["subject"],
        "type": event["eventType"],
        "time": event["eventTime"],
        "id": event["id"],
        "data": event["data"],
        "specversion": "1.0",
    }
