"""The parameters of a call: query and content type, checked in the order of the contract."""

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl

from azurefunctions.extensions.http.fastapi import Request

from segment_function.accept import preferred
from shared_code.encode.answer_formats import PNG, AnswerFormat
from shared_code.errors import ContentTypeNotSupported, ModeInvalid, ResourceNotFound
from shared_code.modes import Mode

API_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
CROP = "subject"
"""The value of the parameter `crop` that has a meaning."""
_PARAMETERS = frozenset({"api-version", "model-name", "mode", "crop"})
_LENGTHS = frozenset(map(len, _PARAMETERS))


class BodyKind(Enum):
    """How the image is sent."""

    BYTES = "bytes"
    FORM = "form"
    URL = "url"


@dataclass(frozen=True)
class Call:
    """A valid call of the API.

    `network` is None for the default one, `format` is the preferred one, `crop`: only the subject is wanted.
    """

    mode: Mode
    network: str | None
    body: BodyKind
    content_type: str
    format: AnswerFormat = PNG
    crop: bool = False


def parse_call(request: Request, networks: Container[str]) -> Call:
    """Check api-version, model-name, mode and content type of `request`, and read its other parameters.

    Raises ResourceNotFound, ModeInvalid or ContentTypeNotSupported.
    """
    parameters = _parameters(request.scope["query_string"].decode("latin-1"))
    if parameters.get("api-version") not in API_VERSIONS:
        raise ResourceNotFound
    network = parameters.get("model-name")
    if network is not None and network not in networks:
        raise ResourceNotFound
    mode = _mode(parameters.get("mode"))
    content_type = request.headers.get("content-type", "")
    body = _body_kind(content_type)
    format = preferred(",".join(request.headers.getlist("accept")))
    # The retired API ignored this parameter, so other values are not errors.
    crop = parameters.get("crop", "").lower() == CROP
    return Call(mode, network, body, content_type, format, crop)


def _mode(value: str | None) -> Mode:
    for mode in Mode:
        if value is not None and mode.lower() == value.lower():
            return mode
    raise ModeInvalid


def _parameters(query: str) -> dict[str, str]:
    """The values of the known parameters. As in ASP.NET, names ignore letter case, and values of a repeated
    one are joined by commas.
    """
    # There may be thousands of others, so they are not even decoded.
    found = "&".join(pair for pair in query.split("&") if _may_be_known(pair.partition("=")[0]))
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(found, keep_blank_values=True):
        values.setdefault(name.lower(), []).append(value)
    return {name: ",".join(values[name]) for name in _PARAMETERS & values.keys()}


def _may_be_known(encoded: str) -> bool:
    """Whether the name is as long as a known one; each character may be percent-encoded."""
    return len(encoded) - 2 * encoded.count("%") in _LENGTHS


def _body_kind(content_type: str) -> BodyKind:
    # The Functions host joins repeated fields by a comma.
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
