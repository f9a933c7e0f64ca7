"""Real properties of the client library; the emulator has neither rehydration nor folders of its own."""

import pytest
from azure.storage.blob import BlobProperties, BlobType, ContentSettings

from cutout_function.decision import Conclusion
from cutout_function.kind import set_aside


def properties(
    content_type: str = "image/jpeg",
    metadata: dict[str, str] | None = None,
    size: int = 10,
    blob_type: str = "BlockBlob",
    tier: str = "Hot",
    archive_status: str | None = None,
    name: str = "a.jpg",
    copy_status: str | None = None,
) -> BlobProperties:
    """As the client makes them of a response's headers."""
    headers = {"Content-Length": size, "x-ms-blob-type": blob_type, "x-ms-access-tier": tier}
    if copy_status:
        headers["x-ms-copy-status"] = copy_status
    if archive_status:
        headers["x-ms-archive-status"] = archive_status
    made = BlobProperties(metadata=metadata or {}, **headers)
    made.name = name
    made.content_settings = ContentSettings(content_type=content_type)
    return made


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (properties(), None),
        (properties(size=0), None),
        (properties(content_type=""), None),
        (properties(metadata={"hdi_isfolder": "false"}), None),
        (properties(metadata={"hdi_isfolder": "true"}, size=0), Conclusion.FOLDER),
        (properties(metadata={"Hdi_isfolder": "True"}, size=0), Conclusion.FOLDER),
        (properties(name="2026/11/", size=0), Conclusion.FOLDER),
        (properties("inode/directory", size=0), Conclusion.FOLDER),
        (properties("Inode/Directory; charset=binary", size=0), Conclusion.FOLDER),
        (properties("httpd/unix-directory", size=0), Conclusion.FOLDER),
        (properties("application/x-directory", size=0), Conclusion.FOLDER),
        (properties(copy_status="pending", size=0), Conclusion.COPYING),
        (properties(copy_status="success"), None),
        (properties(blob_type="AppendBlob", size=0), Conclusion.BEGUN),
        (properties(blob_type="AppendBlob"), None),
        (properties(blob_type="PageBlob", size=512), None),
        (properties(tier="Cool"), None),
        (properties(tier="Cold"), None),
        (properties(tier="Archive"), Conclusion.ARCHIVED),
        (properties(tier="Archive", archive_status="rehydrate-pending-to-hot"), Conclusion.REHYDRATING),
        (properties(tier="Archive", archive_status="rehydrate-pending-to-cold"), Conclusion.REHYDRATING),
    ],
)
def test_blobs_of_which_nothing_can_be_made(blob: BlobProperties, expected: Conclusion | None) -> None:
    assert set_aside(blob) is expected


def test_what_the_library_makes_of_the_headers() -> None:
    assert properties(blob_type="AppendBlob").blob_type is BlobType.APPENDBLOB
