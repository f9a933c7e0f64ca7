"""Every error the service can answer: one class per row of the wire contract (docs/errors.md).

    SegmentError
    ├── AccessDenied                 E-401        401
    ├── TokenInvalid                 E-TOKEN      401
    ├── PermissionDenied             E-403        403
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
from enum import StrEnum
from typing import ClassVar, Self

from shared_code.limits import MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX

_DIMENSION_MESSAGE = (
    f"The image dimension is not allowed to be smaller than {MIN_SIDE_PX} and larger than {MAX_SIDE_PX}."
)
_MEMORY_MESSAGE = "The image is too large to be decoded by this instance."


class SegmentError(Exception):
    """One documented error: `id` is its name in the docs, `status` its HTTP status.

    The docstring of each class says when it is sent; the docs and the API's description quote it.
    """

    id: ClassVar[str]
    status: ClassVar[int]
    code: ClassVar[str] = "InvalidRequest"
    message: str
    innererror: ClassVar[tuple[str, str] | None] = None
    retry_after_s: ClassVar[int | None] = None
    challenge: str | None = None
    """How to sign in, for the header WWW-Authenticate."""
    gateway: ClassVar[bool] = False
    """The retired service's gateway sent it; its JSON came without a charset."""

    def __str__(self) -> str:
        return f"{self.id}: {self.message}"

    @classmethod
    def when(cls) -> str:
        """When it is sent; Markdown, one line."""
        return " ".join(str(cls.__doc__).split())

    @classmethod
    def example(cls) -> Self:
        """An instance, as the docs show it."""
        return cls()

    def body(self) -> bytes:
        """The JSON document of the contract: compact UTF-8, no trailing newline."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.innererror is not None:
            code, message = self.innererror
            error["innererror"] = {"code": code, "message": message}
        return json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False).encode()


class AccessDenied(SegmentError):
    """The key is wrong or missing, or none is configured."""

    id = "E-401"
    status = 401
    code = "401"
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. "
        "Make sure to provide a valid key for an active subscription "
        "and use a correct regional API endpoint for your resource."
    )
    gateway = True

    def __init__(self, challenge: str | None = None) -> None:
        self.challenge = challenge


class TokenInvalid(SegmentError):
    """The access token of `Authorization` is malformed, expired, not signed by the tenant, or for somebody
    else; or keys are off and there is none.
    """

    id = "E-TOKEN"
    status = 401
    code = "401"
    gateway = True

    def __init__(
        self, challenge: str | None = None, audience: str = "https://cognitiveservices.azure.com"
    ) -> None:
        """`audience`: what tokens have to be for."""
        self.challenge = challenge
        self.message = (
            "Unauthorized. Access token is missing, invalid, audience is incorrect "
            f"({audience}), or have expired."
        )


class PermissionDenied(SegmentError):
    """The access token is good, but `SEGMENT_ENTRA_CALLERS` lists neither who signed in nor one of the
    roles.
    """

    id = "E-403"
    status = 403
    code = "PermissionDenied"
    message = "Principal does not have access to API/Operation."
    gateway = True


class ResourceNotFound(SegmentError):
    """Unknown path, method, `api-version` or `model-name`."""

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
    """The content type is not supported; the message names it, in printable ASCII and at most
    100 characters.
    """

    id = "E-TYPE"
    status = 400

    def __init__(self, content_type: str) -> None:
        shown = "".join(c for c in content_type if " " <= c <= "~")[:100]
        self.message = f"The provided image content type {shown} is not supported."

    @classmethod
    def example(cls) -> Self:
        """The wrong type that clients send most."""
        return cls("text/plain")


class ImageSizeNotAllowed(SegmentError):
    """The body, or the file at the URL, has no bytes or more than 20 971 520; or a form has no file."""

    id = "E-SIZE"
    status = 400
    message = f"The image size is not allowed to be zero or larger than {MAX_IMAGE_BYTES} bytes."


class ImageUrlBadlyFormatted(SegmentError):
    """The JSON is malformed, is not an object, or has no `url` that is a non-empty string."""

    id = "E-JSON"
    status = 400
    message = "Image URL is badly formatted or not accessible."


class UrlFault(StrEnum):
    """Why an image URL was not fetched, in a few words for the log; never sent to the caller."""

    OFF = "turned off"
    MALFORMED = "malformed"
    PORT = "port"
    ADDRESS_GUARD = "address guard"
    NAME_RESOLUTION = "name resolution"
    CONNECTION = "connection"
    REDIRECTS = "redirects"
    TIME = "time"


class UrlNotAccessible(SegmentError):
    """The `url` is not http or https, badly formed, of an unknown host, unreachable, refused by the
    address guard, redirected more than 3 times, or too slow.
    """

    id = "E-URL"
    status = 400
    message = "The provided image url is not accessible."

    def __init__(self, fault: UrlFault = UrlFault.MALFORMED) -> None:
        self.fault = fault


class UrlStatus(SegmentError):
    """The `url` answers with a status other than 2xx; the message names it."""

    id = "E-URLSTATUS"
    status = 400

    def __init__(self, status_code: int) -> None:
        self.message = f"The provided image url can not be accessed. status code: {status_code}."

    @classmethod
    def example(cls) -> Self:
        """A picture that is not there."""
        return cls(404)


class ImageFault(StrEnum):
    """Why a file is no valid image, in few words; the caller is never told."""

    UNKNOWN = "not a picture"
    HEIC = "HEIC"
    AVIF = "AVIF"
    OTHER_FORMAT = "format not taken"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    HOSTILE = "hostile"
    BROKE_OFF = "upload broke off"


class ImageFormatInvalid(SegmentError):
    """Not an image, an unsupported format, a corrupt or truncated file, or an upload that broke off."""

    id = "E-FORMAT"
    status = 400
    message = "Image format is not valid."
    innererror = ("InvalidImageFormat", "Input data is not a valid image.")

    def __init__(self, fault: ImageFault = ImageFault.CORRUPT) -> None:
        self.fault = fault


class ImageDimensionNotAllowed(SegmentError):
    """A side is below 50 or above 16 000 pixels."""

    id = "E-DIM"
    status = 400
    message = _DIMENSION_MESSAGE
    innererror = ("InvalidImageSize", _DIMENSION_MESSAGE)


class ImageTooLargeForInstance(SegmentError):
    """The picture is valid, but decoding it would need more memory than `SEGMENT_MEMORY_BUDGET_MB`."""

    id = "E-MEMORY"
    status = 400
    message = _MEMORY_MESSAGE
    innererror = ("InvalidImageSize", _MEMORY_MESSAGE)


class TooManyRequests(SegmentError):
    """All slots and all places in the queue are taken, no slot or memory became free within
    `SEGMENT_SLOT_WAIT_S`, waiting uploads fill their share of the memory budget, another caller with fewer
    calls needed the place, or no answer had begun within `SEGMENT_DEADLINE_S`.
    """

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
    """An unexpected error; its cause is only in the log."""

    id = "E-500"
    status = 500
    code = "InternalServerError"
    message = "The processing resulted in an internal error."


class ServiceUnavailable(SegmentError):
    """The network did not load in time, or cannot be loaded; or Microsoft Entra ID gave no signing keys."""

    id = "E-503"
    status = 503
    code = "ServiceUnavailable"
    message = "The service is unavailable."
    retry_after_s = 5


def all_errors() -> tuple[SegmentError, ...]:
    """An example of each class of the closed list, ordered by status."""
    examples = [error.example() for error in SegmentError.__subclasses__()]
    return tuple(sorted(examples, key=lambda error: error.status))
