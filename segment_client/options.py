"""Options: where the service is, how patient to be, and what the result looks like."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx

from segment_client.canvas import Canvas
from segment_client.errors import printable
from segment_client.sign_in import AUDIENCE, Credential

MAX_CONCURRENCY = 64
QUALITY = 90


class Mode(StrEnum):
    """The `mode` of the API."""

    BACKGROUND_REMOVAL = "backgroundRemoval"
    FOREGROUND_MATTING = "foregroundMatting"


class Format(StrEnum):
    """The format of the files that are written."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"


@dataclass(frozen=True)
class Patience:
    """How failures are handled.

    An attempt that failed with a temporary error is repeated, up to `attempts` in all, after a random wait of
    at most `first_wait_s`, which doubles each time up to `longest_wait_s`; `Retry-After` is added to it.
    After `failures_to_open` failures in a row the circuit opens: nothing is sent but one picture every
    `probe_every_s`, until one succeeds, or until `give_up_after_s` have passed. `attempt_s` bounds one
    attempt, answer included.
    """

    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    attempt_s: float = 300.0
    failures_to_open: int = 5
    probe_every_s: float = 10.0
    give_up_after_s: float = 120.0


@dataclass(frozen=True)
class Service:
    """A service, with its key or a credential to sign in with.

    `endpoint` is its address without a path. `audience` is that of the credential's tokens. Raises ValueError
    for an invalid endpoint, for a key together with a credential, and for a credential over plain http.
    """

    endpoint: str
    key: str = field(default="", repr=False)
    concurrency: int = 4
    patience: Patience = field(default_factory=Patience)
    credential: Credential | None = field(default=None, repr=False)
    audience: str = AUDIENCE

    @property
    def is_plain(self) -> bool:
        """Whether others could read what is sent: http, to another machine."""
        url = httpx.URL(self.endpoint)
        return url.scheme == "http" and url.host not in ("localhost", "127.0.0.1", "::1")

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise ValueError(f"concurrency is 1 to {MAX_CONCURRENCY}")
        if not (self.key.isascii() and self.key.isprintable()):
            raise ValueError("the key contains characters that a key cannot have")
        try:
            url = httpx.URL(self.endpoint)
        except httpx.InvalidURL as error:
            raise ValueError(f"the endpoint is not a URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"the endpoint is not an http or https URL: {printable(self.endpoint)}")
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        if url.userinfo or url.path not in ("", "/") or url.query or url.fragment:
            raise ValueError(f"give the endpoint without user name, path or query: {origin}")
        if self.credential is not None and self.key:
            raise ValueError("give a key or a credential, not both")
        if self.credential is not None and self.is_plain:
            raise ValueError("access tokens are sent over https only")


@dataclass(frozen=True)
class Look:
    """What is made of a picture.

    `model` is the name of a network that the service has installed, "" for its default. `quality` is that of
    JPEG and WEBP, 1 to 100; None for 90, or the service's own where its WEBP is the result. `transfer` is the
    format of the service's answer, PNG or WEBP; None chooses by `format` and `quality`.
    `background` is a colour as CSS writes it (`#fff`, `white`, `rgb(255, 255, 255)`) or the file of a picture
    that is scaled and cropped to fit; JPEG, which has no transparency, is put on white where it is None.
    `crop`: only the box of the subject, with the service's margin. `canvas`: the subject in the middle of it.
    Raises ValueError for a background behind a matte, for a quality out of range, and for JPEG as `transfer`.
    """

    mode: Mode = Mode.BACKGROUND_REMOVAL
    background: str | Path | None = None
    format: Format = Format.PNG
    model: str = ""
    quality: int | None = None
    transfer: Format | None = None
    crop: bool = False
    canvas: Canvas | None = None

    def __post_init__(self) -> None:
        if self.mode is Mode.FOREGROUND_MATTING and self.background is not None:
            raise ValueError("a matte has no background")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError("quality is 1 to 100")
        if self.transfer is Format.JPEG:
            raise ValueError("answers are transferred as png or webp")

    @property
    def suffix(self) -> str:
        """The suffix of results."""
        return f".{self.format}"

    @property
    def transferred(self) -> Format:
        """The format to request; the service may still answer PNG."""
        if self.transfer is not None:
            return self.transfer
        return Format.PNG if self.format is Format.PNG or self.quality is not None else Format.WEBP

    @property
    def asks_for_the_subject(self) -> bool:
        """Whether to request the box of the subject; an older service still answers the whole."""
        return self.crop or self.canvas is not None

    def is_answer(self, answered: Format) -> bool:
        """Whether the bytes of an answer in that format are the result."""
        return (
            answered is self.format
            and self.background is None
            and self.canvas is None
            and (self.quality is None or answered is Format.PNG)
        )
