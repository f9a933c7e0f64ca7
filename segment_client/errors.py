"""The errors of the client, each with its id and what the client does about it.

ClientError
├── Refused       the endpoint answered with an error; the id is from docs/errors.md where it is known
├── TooLarge      E-SIZE     not sent, because the endpoint would refuse it
├── Unreachable   C-CONNECT  no connection; tried again
├── Untrusted     C-TLS      no trusted TLS connection to the endpoint is possible; ends the run
├── NoToken       C-TOKEN    there is no access token to sign in with; ends the run
├── Broken        C-STREAM   the answer broke off or took too long; tried again
├── NotOurs       C-ANSWER   the answer is neither a picture nor an error
├── NotTaken      C-FORMAT   not sent: a picture, by its name, of a format that the service does not accept
├── Unreadable    C-READ     the picture cannot be read here
├── Unwritable    C-WRITE    the cut-out cannot be written here
└── GivenUp       C-DOWN     the endpoint has not answered for too long; ends the run
"""

import json
from dataclasses import dataclass

MAX_PICTURE_BYTES = 20_971_520
"""The API's limit; larger files are not sent."""


def printable(text: str) -> str:
    """`text` on one line, with escapes for control characters and undecodable bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class ClientError(Exception):
    """Why a picture has no cut-out.

    `retryable`: another attempt may succeed. `final`: other pictures would fail too, so the run ends.
    """

    id = ""
    retryable = False
    final = False
    attempts = 0
    request_id = ""
    hint = ""

    @property
    def message(self) -> str:
        """One line for people."""
        return printable(str(self) + self.hint)


@dataclass(frozen=True)
class ErrorDocument:
    """What an error answer says: `{"error": {"code", "message", "innererror"?: {"code"}}}`; "" for absent."""

    code: str = ""
    message: str = ""
    inner_code: str = ""


class Refused(ClientError):
    """The endpoint answered with a status other than 200."""

    def __init__(
        self, status: int, document: ErrorDocument, retry_after_s: float | None, request_id: str
    ) -> None:
        super().__init__(document.message[:300] or f"The endpoint answered with status {status}.")
        self.id = error_id(status, document)
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.retryable = status == 429 or status >= 500
        self.final = 300 <= status < 400 or status in (401, 403, 404, 405, 407)


class TooLarge(ClientError):
    """The file is empty or larger than the API's limit. It is not sent."""

    id = "E-SIZE"

    def __init__(self) -> None:
        super().__init__(
            f"The image size is not allowed to be zero or larger than {MAX_PICTURE_BYTES} bytes."
        )


class Unreachable(ClientError):
    """No connection could be made."""

    id = "C-CONNECT"
    retryable = True


class Untrusted(ClientError):
    """The server's certificate is not trusted, or the server does not speak TLS."""

    id = "C-TLS"
    final = True


class NoToken(ClientError):
    """The credential gave no access token."""

    id = "C-TOKEN"
    final = True


class Broken(ClientError):
    """The connection broke, or the answer is incomplete."""

    id = "C-STREAM"
    retryable = True


class NotOurs(ClientError):
    """Status 200, but no picture: another program answers at this address."""

    id = "C-ANSWER"


class NotTaken(ClientError):
    """A picture, by its name, of a format that the service does not accept. It is not sent."""

    id = "C-FORMAT"

    def __init__(self, suffix: str) -> None:
        super().__init__(f"The service does not accept {suffix} files.")


class Unreadable(ClientError):
    """The picture's file or folder cannot be read."""

    id = "C-READ"


class Unwritable(ClientError):
    """The cut-out's file cannot be written."""

    id = "C-WRITE"


class GivenUp(ClientError):
    """The endpoint did not answer for `Patience.give_up_after_s`."""

    id = "C-DOWN"
    final = True


_BY_MESSAGE = (
    ("Value for mode", "E-MODE"),
    ("The provided image content type", "E-TYPE"),
    ("The image size", "E-SIZE"),
    ("Image URL is badly formatted", "E-JSON"),
    ("The provided image url is not accessible", "E-URL"),
    ("The provided image url can not be accessed", "E-URLSTATUS"),
    ("The image dimension", "E-DIM"),
    ("The image is too large to be decoded", "E-MEMORY"),
)
_SIGN_IN = "Unauthorized. Access token"
_BY_CODE = {
    (401, "401"): "E-401",
    (403, "PermissionDenied"): "E-403",
    (404, "404"): "E-404",
    (429, "429"): "E-429",
    (500, "InternalServerError"): "E-500",
    (503, "ServiceUnavailable"): "E-503",
}


def error_id(status: int, document: ErrorDocument) -> str:
    """The id in docs/errors.md, or `HTTP-` and the status if another program answered."""
    if status == 400:
        if document.inner_code == "InvalidImageFormat":
            return "E-FORMAT"
        found = (name for start, name in _BY_MESSAGE if document.message.startswith(start))
        return next(found, "HTTP-400")
    if status == 401 and document.message.startswith(_SIGN_IN):
        return "E-TOKEN"
    return _BY_CODE.get((status, document.code), f"HTTP-{status}")


def parse_document(body: bytes) -> ErrorDocument:
    """The error document in a body; an empty one if there is none."""
    try:
        error = json.loads(body)["error"]
        inner = error.get("innererror") or {}
        return ErrorDocument(str(error["code"]), str(error["message"]), str(inner.get("code", "")))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ErrorDocument()
