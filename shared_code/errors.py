"""Every error the service can answer: one class per row of the wire contract (docs/errors.md).

    SegmentError
    ├── AccessDenied                 E-401        401
    ├── ResourceNotFound             E-404        404
    ├── ModeInvalid                  E-MODE       400
    ├── ContentTypeNotSupported      E-TYPE       400
    ├── ImageSizeNotAllowed          E-SIZE       400
    ├── ImageUrlBadlyFormatted       E-JSON       400
    ├── UrlNotAccessible             E-URL        400
    ├── UrlStatus                    E-URLSTATUS  400
    ├── ImageFormatInvalid           E-FORMAT     400
    ├── ImageDimensionNotAllowed     E-DIM        400
    ├── ImageTooLargeForInstance     E-MEMORY     400
    ├── TooManyRequests              E-429        429
    ├── InternalError                E-500        500
    └── ServiceUnavailable           E-503        503

They are raised where the fault is found. `segment_function.responses` is the one place that turns them
into HTTP; `cutout_function` stores `body()` beside the picture it could not cut out.
"""

import json
from typing import ClassVar

MAX_IMAGE_BYTES = 20_971_520
MIN_SIDE_PX = 50
MAX_SIDE_PX = 16_000

_DIMENSION_MESSAGE = (
    f"The image dimension is not allowed to be smaller than {MIN_SIDE_PX} and larger than {MAX_SIDE_PX}."
)
_MEMORY_MESSAGE = "The image is too large to be decoded by this instance."


class SegmentError(Exception):
    """One documented error: `id` is its name in the docs, `status` its HTTP status."""

    id: ClassVar[str]
    status: ClassVar[int]
    code: ClassVar[str] = "InvalidRequest"
    message: str
    innererror: ClassVar[tuple[str, str] | None] = None
    retry_after_s: ClassVar[int | None] = None
    gateway: ClassVar[bool] = False
    """Answered by the retired service's gateway, whose JSON came without a charset."""

    def __str__(self) -> str:
        return f"{self.id}: {self.message}"

    def body(self) -> bytes:
        """The JSON document of the contract: compact UTF-8, no trailing newline."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.innererror is not None:
            code, message = self.innererror
            error["innererror"] = {"code": code, "message": message}
        return json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False).encode()


class AccessDenied(SegmentError):
    """No key, a wrong key, or no key configured at all."""

    id = "E-401"
    status = 401
    code = "401"
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. "
        "Make sure to provide a valid key for an active subscription "
        "and use a correct regional API endpoint for your resource."
    )
    gateway = True


class ResourceNotFound(SegmentError):
    """Unknown path, method, api-version or model."""

    id = "E-404"
    status = 404
    code = "404"
    message = "Resource not found"
    gateway = True

    def body(self) -> bytes:
        """The gateway's document, with the space it wrote before this one message."""
        return b'{"error":{"code":"404","message": "Resource not found"}}'


class ModeInvalid(SegmentError):
    """`mode` is missing or unknown."""

    id = "E-MODE"
    status = 400
    message = "Value for mode is invalid."


class ContentTypeNotSupported(SegmentError):
    """The body has a content type the API does not take: 400, as documented, and not 415."""

    id = "E-TYPE"
    status = 400

    def __init__(self, content_type: str) -> None:
        shown = "".join(c for c in content_type if " " <= c <= "~")[:100]
        self.message = f"The provided image content type {shown} is not supported."


class ImageSizeNotAllowed(SegmentError):
    """The image has no bytes, or too many."""

    id = "E-SIZE"
    status = 400
    message = f"The image size is not allowed to be zero or larger than {MAX_IMAGE_BYTES} bytes."


class ImageUrlBadlyFormatted(SegmentError):
    """The JSON body is malformed, or holds no `url`."""

    id = "E-JSON"
    status = 400
    message = "Image URL is badly formatted or not accessible."


class UrlNotAccessible(SegmentError):
    """The image URL is malformed, refused, unreachable or too slow. Which of these is only logged."""

    id = "E-URL"
    status = 400
    message = "The provided image url is not accessible."


class UrlStatus(SegmentError):
    """The image URL answered with a status other than 2xx."""

    id = "E-URLSTATUS"
    status = 400

    def __init__(self, status_code: int) -> None:
        self.message = f"The provided image url can not be accessed. status code: {status_code}."


class ImageFormatInvalid(SegmentError):
    """Not an image, a format outside the list, or corrupt or truncated data."""

    id = "E-FORMAT"
    status = 400
    message = "Image format is not valid."
    innererror = ("InvalidImageFormat", "Input data is not a valid image.")


class ImageDimensionNotAllowed(SegmentError):
    """A side is too short or too long."""

    id = "E-DIM"
    status = 400
    message = _DIMENSION_MESSAGE
    innererror = ("InvalidImageSize", _DIMENSION_MESSAGE)


class ImageTooLargeForInstance(SegmentError):
    """Decoding would need more memory than the instance's budget."""

    id = "E-MEMORY"
    status = 400
    message = _MEMORY_MESSAGE
    innererror = ("InvalidImageSize", _MEMORY_MESSAGE)


class TooManyRequests(SegmentError):
    """No slot came free within the wait limit. Clients parse the seconds out of the text."""

    id = "E-429"
    status = 429
    code = "429"
    retry_after_s = 2
    message = (
        "Requests to the ImageAnalysis_Segment Operation under Computer Vision API (2023-02-01-preview) "
        f"have exceeded call rate limit. Please retry after {retry_after_s} seconds."
    )
    gateway = True


class InternalError(SegmentError):
    """Anything unforeseen; nothing of the cause is told."""

    id = "E-500"
    status = 500
    code = "InternalServerError"
    message = "The processing resulted in an internal error."


class ServiceUnavailable(SegmentError):
    """The model is not loaded, or could not be."""

    id = "E-503"
    status = 503
    code = "ServiceUnavailable"
    message = "The service is unavailable."
    retry_after_s = 5
