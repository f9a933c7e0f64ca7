"""Blobs of which nothing can be made, told by their properties."""

from azure.storage.blob import BlobProperties, BlobType, StandardBlobTier

from cutout_function.decision import Result
from cutout_function.names import is_folder

# How tools mark a folder where there are none: Hadoop's and Azure's own by the metadata, others by the type.
_FOLDER_METADATA = "hdi_isfolder"
_FOLDER_TYPES = {"inode/directory", "httpd/unix-directory", "application/x-directory"}


def set_aside(properties: BlobProperties) -> Result | None:
    """What a job for the blob comes to if nothing can be made of it, whatever its bytes."""
    metadata = {name.lower(): value.lower() for name, value in properties.metadata.items()}
    media_type = (properties.content_settings.content_type or "").partition(";")[0].strip().lower()
    if is_folder(properties.name) or metadata.get(_FOLDER_METADATA) == "true" or media_type in _FOLDER_TYPES:
        return Result.FOLDER
    if properties.copy.status == "pending":
        return Result.COPYING
    if properties.blob_type == BlobType.APPENDBLOB and not properties.size:
        return Result.BEGUN
    if properties.blob_tier == StandardBlobTier.ARCHIVE:
        return Result.REHYDRATING if properties.archive_status else Result.ARCHIVED
    return None
