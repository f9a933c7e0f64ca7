"""What a caller asks for: the query and the content type, checked in the order of the contract."""

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

from azurefunctions.extensions.http.fastapi import Request

from shared_code.errors import ContentTypeNotSupported, ModeInvalid, ResourceNotFound
from shared_code.modes import Mode

API_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")


class BodyKind(Enum):
    """How the image comes."""

    BYTES = "bytes"
    FORM = "form"
    URL = "url"


@dataclass(frozen=True)
class Call:
    """A valid call of the API; `network` is None for the default one."""

    mode: Mode
    network: str | None
    body: BodyKind
    content_type: str


def parse_call(request: Request, networks: Container[str]) -> Call:
    """Check api-version, model-name, mode and content type of `request`.

    Raises ResourceNotFound, ModeInvalid or ContentTypeNotSupported.
    """
    if _parameter(request, "api-version") not in API_VERSIONS:
        raise ResourceNotFound
    network = _parameter(request, "model-name")
    if network is not None and network not in networks:
        raise ResourceNotFound
    mode = _mode(_parameter(request, "mode"))
    content_type = request.headers.get("content-type", "")
    return Call(mode, network, _body_kind(content_type), content_type)


def _mode(value: str | None) -> Mode:
    for mode in Mode:
        if value is not None and mode.lower() == value.lower():
            return mode
    raise ModeInvalid


def _parameter(request: Request, name: str) -> str | None:
    """The parameter's value. Names ignore letter case, and a repeated one is joined, as ASP.NET does both."""
    values = [value for key, value in request.query_params.multi_items() if key.lower() == name]
    return ",".join(values) if values else None


def _body_kind(content_type: str) -> BodyKind:
    # A field that was sent twice comes as one from the Functions host, joined by a comma.
    media_type = content_type.partition(";")[0].partition(",")[0].strip()
    match media_type.lower():
        case "" | "application/octet-stream":
            return BodyKind.BYTES
        case "multipart/form-data":
            return BodyKind.FORM
        case "application/json":
            return BodyKind.URL
        case lowered if lowered.startswith("image/"):
            return BodyKind.BYTES
    raise ContentTypeNotSupported(media_type)
