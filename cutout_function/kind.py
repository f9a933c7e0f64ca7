"""Blobs that cannot be cut out, recognised by their properties."""

from azure.storage.blob import BlobProperties, BlobType, StandardBlobTier

from cutout_function.decision import Conclusion
from cutout_function.names import is_folder

# Tools store empty blobs as folders: Hadoop's and Azure's have the metadata, others the type.
_FOLDER_METADATA = "hdi_isfolder"
_FOLDER_TYPES = {"inode/directory", "httpd/unix-directory", "application/x-directory"}


def set_aside(properties: BlobProperties) -> Conclusion | None:
    """The conclusion for a blob that cannot be cut out, whatever its bytes; None for others."""
    metadata = {name.lower(): value.lower() for name, value in properties.metadata.items()}
    media_type = (properties.content_settings.content_type or "").partition(";")[0].strip().lower()
    if is_folder(properties.name) or metadata.get(_FOLDER_METADATA) == "true" or media_type in _FOLDER_TYPES:
        return Conclusion.FOLDER
    if properties.copy.status == "pending":
        return Conclusion.COPYING
    if properties.blob_type == BlobType.APPENDBLOB and not properties.size:
        return Conclusion.BEGUN
    if properties.blob_tier == StandardBlobTier.ARCHIVE:
        return Conclusion.REHYDRATING if properties.archive_status else Conclusion.ARCHIVED
    return None
