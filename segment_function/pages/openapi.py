"""`/openapi.json`: the OpenAPI 3.1 description of the API, made from the constants that the code uses.

Every error of shared_code/errors.py stands in it as an example under its status.
Specification: https://spec.openapis.org/oas/v3.1.1.html
"""

import json
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from itertools import groupby

from segment_function.api import ALIAS, ROUTE
from segment_function.call import API_VERSIONS, CROP
from segment_function.callers import CREDENTIALS
from segment_function.fetch.target import MAX_URL_CHARS
from segment_function.picture_response import PICTURE_HEADERS
from shared_code.encode.answer_formats import ANSWER_FORMATS
from shared_code.errors import SegmentError, all_errors
from shared_code.limits import MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX
from shared_code.matte.networks import State
from shared_code.modes import MODES, Mode
from shared_code.picture.formats import format_names

type JsonObject = dict[str, object]

_GUID: JsonObject = {"type": "string", "format": "uuid"}
_TEXT: JsonObject = {"type": "string"}
_WHOLE_NUMBER: JsonObject = {"type": "integer", "minimum": 0}
_KEY: list[JsonObject] = [{credential.name: []} for credential in CREDENTIALS]
_NO_KEY: list[JsonObject] = []
_BINARY: JsonObject = {"type": "string", "format": "binary"}

# name: (description, schema, whether every answer has it)
_HEADERS: dict[str, tuple[str, JsonObject, bool]] = {
    "apim-request-id": ("Identifies the request; the service's log has it too.", _GUID, True),
    "request-id": ("The same as `apim-request-id`.", _GUID, True),
    "x-envoy-upstream-service-time": ("Milliseconds from the request's head to the answer's.", _TEXT, True),
    "Strict-Transport-Security": ("Browsers are to use HTTPS only.", _TEXT, True),
    "X-Content-Type-Options": ("Always `nosniff`.", {"const": "nosniff"}, True),
    "x-ms-region": ("Where the service runs, when `SEGMENT_REGION` is set.", _TEXT, False),
    "x-ms-client-request-id": ("Echoed when the request has it.", _TEXT, False),
}
_ERROR_CODE_HEADER = ("`error.code` of the body.", _TEXT, True)
_CHALLENGE_HEADER = (
    "Where tokens of Microsoft Entra ID are to be had, where callers can sign in (RFC 6750).",
    _TEXT,
    False,
)
_RETRY_HEADER = ("Seconds to wait before the next attempt.", _WHOLE_NUMBER, True)


@cache
def openapi_json(networks: tuple[str, ...], default_network: str, formats: str = format_names()) -> bytes:
    """The document as UTF-8 JSON.

    `networks` are the values that `model-name` can have, `formats` names those of pictures.
    """
    return json.dumps(openapi_document(networks, default_network, formats), ensure_ascii=False).encode()


def openapi_document(
    networks: tuple[str, ...], default_network: str, formats: str = format_names()
) -> JsonObject:
    """The document as Python objects."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Segment",
            "version": API_VERSIONS[-1],
            "summary": "Removes the background of a picture, or answers its foreground matte.",
            "description": (
                "The wire protocol of Azure AI Vision's retired *Segment* operation (Image Analysis 4.0 "
                "preview), answered by your own Function App."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": _KEY,
        "tags": [
            {"name": "segment", "description": "The API."},
            {"name": "beside", "description": "Health, this description and the pages; no key is needed."},
        ],
        "paths": {
            f"/{ROUTE}": {"post": _segment("segment", "Cut out the foreground of a picture")},
            f"/{ALIAS}": {"post": _segment("segmentAlias", "The same, without a colon in the path")},
            "/status": {"get": _page("status", "Whether the process is alive", "application/json", _STATUS)},
            "/ready": {"get": _ready()},
            "/openapi.json": {"get": _page("openapi", "This document", "application/json", {})},
            "/swagger": {"get": _page("swagger", "This document as an interactive page", "text/html", _TEXT)},
            "/": {"get": _page("home", "A page to try the API", "text/html", _TEXT)},
        },
        "components": {
            "securitySchemes": {credential.name: dict(credential.scheme) for credential in CREDENTIALS},
            "parameters": _parameters(networks, default_network),
            "requestBodies": {"Picture": _picture(formats)},
            "headers": {name: _header(*row) for name, row in _HEADERS.items()},
            "schemas": {"Error": _ERROR, "Ready": _READY},
            "responses": dict(_error_responses(all_errors())),
        },
    }


def _segment(operation_id: str, summary: str) -> JsonObject:
    modes = "\n\n".join(f"`{mode}`: {product.description}" for mode, product in MODES.items())
    formats = "\n\n".join(f"`{row.media_type}`: {row.description}" for row in ANSWER_FORMATS)
    statuses = sorted({error.status for error in all_errors()})
    return {
        "operationId": operation_id,
        "tags": ["segment"],
        "summary": summary,
        "security": _KEY,
        "parameters": [
            _ref("parameters", "api-version"),
            _ref("parameters", "mode"),
            _ref("parameters", "model-name"),
            _ref("parameters", "crop"),
            _ref("parameters", "x-ms-client-request-id"),
        ],
        "requestBody": _ref("requestBodies", "Picture"),
        "responses": {
            "200": {
                "description": f"{modes}\n\n{formats}",
                "headers": _common_headers() | _picture_headers(),
                "content": {row.media_type: {"schema": _BINARY} for row in ANSWER_FORMATS},
            },
            **{str(status): _ref("responses", str(status)) for status in statuses},
        },
    }


def _parameters(networks: tuple[str, ...], default_network: str) -> JsonObject:
    return {
        "api-version": {
            "name": "api-version",
            "in": "query",
            "required": True,
            "description": "Any other value is answered with 404.",
            "schema": {"type": "string", "enum": list(API_VERSIONS)},
            "example": API_VERSIONS[0],
        },
        "mode": {
            "name": "mode",
            "in": "query",
            "required": True,
            "description": "What to answer. Letter case is ignored.",
            "schema": {"type": "string", "enum": [mode.value for mode in Mode]},
            "example": Mode.BACKGROUND_REMOVAL.value,
        },
        "model-name": {
            "name": "model-name",
            "in": "query",
            "description": "The network to use. An unknown one is answered with 404.",
            "schema": {"type": "string", "enum": list(networks), "default": default_network},
        },
        "crop": {
            "name": "crop",
            "in": "query",
            "description": (
                f"`{CROP}`: only the box of the subject is answered, with a margin; `x-segment-box` tells "
                "where it was. Letter case is ignored, and so is any other value."
            ),
            "schema": {"type": "string", "enum": [CROP]},
        },
        "x-ms-client-request-id": {
            "name": "x-ms-client-request-id",
            "in": "header",
            "description": "Your own name for the request, printable ASCII; it is echoed.",
            "schema": {"type": "string", "maxLength": 128},
        },
    }


def _picture(formats: str) -> JsonObject:
    limits = (
        f"{formats}, detected from the content (the first frame or page counts); "
        f"1 to {MAX_IMAGE_BYTES} bytes, each side {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels."
    )
    form: JsonObject = {"type": "object", "properties": {"image": _BINARY}, "required": ["image"]}
    url: JsonObject = {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL_CHARS}
    document: JsonObject = {"type": "object", "properties": {"url": url}, "required": ["url"]}
    return {
        "required": True,
        "description": f"The picture, or its URL. {limits} Of a form, the first part with a file counts.",
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "image/*": {"schema": _BINARY},
            "multipart/form-data": {"schema": form},
            "application/json": {"schema": document, "example": {"url": "https://example.com/photo.jpg"}},
        },
    }


def _error_responses(examples: Iterable[SegmentError]) -> Iterable[tuple[str, JsonObject]]:
    """Status and response object of every status, with all its errors as examples."""
    for status, same_status in groupby(examples, lambda error: error.status):
        found = list(same_status)
        headers = _common_headers() | {"x-ms-error-code": _header(*_ERROR_CODE_HEADER)}
        if any(error.retry_after_s is not None for error in found):
            headers["Retry-After"] = _header(*_RETRY_HEADER)
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = _header(*_CHALLENGE_HEADER)
        content: JsonObject = {
            "schema": _ref("schemas", "Error"),
            "examples": {error.id: _example(error) for error in found},
        }
        yield (
            str(status),
            {
                "description": HTTPStatus(status).phrase,
                "headers": headers,
                "content": {"application/json": content},
            },
        )


def _example(error: SegmentError) -> JsonObject:
    body = error.body().decode()
    return {"summary": f"{error.id}: {error.when()}", "description": f"`{body}`", "value": json.loads(body)}


def _page(operation_id: str, summary: str, media_type: str, schema: JsonObject) -> JsonObject:
    return {
        "operationId": operation_id,
        "tags": ["beside"],
        "summary": summary,
        "security": _NO_KEY,
        "responses": {
            "200": {
                "description": HTTPStatus.OK.phrase,
                "headers": _common_headers(),
                "content": {media_type: {"schema": schema}},
            }
        },
    }


def _ready() -> JsonObject:
    def response(description: str) -> JsonObject:
        content = {"application/json": {"schema": _ref("schemas", "Ready")}}
        return {"description": description, "headers": _common_headers(), "content": content}

    return {
        "operationId": "ready",
        "tags": ["beside"],
        "summary": "Whether the default network is loaded",
        "security": _NO_KEY,
        "responses": {"200": response("It is loaded."), "503": response("Not yet, or it cannot be.")},
    }


def _common_headers() -> JsonObject:
    return {name: _ref("headers", name) for name in _HEADERS}


def _picture_headers() -> JsonObject:
    described: JsonObject = {
        header.name: _header(header.description, {"type": "string", "pattern": header.pattern}, header.always)
        for header in PICTURE_HEADERS
    }
    return described | {"Vary": _header("The answer depends on `Accept`.", {"const": "Accept"}, True)}


def _header(description: str, schema: JsonObject, required: bool) -> JsonObject:
    return {"description": description, "schema": schema, "required": required}


def _ref(kind: str, name: str) -> JsonObject:
    return {"$ref": f"#/components/{kind}/{name}"}


_CODE_AND_MESSAGE: JsonObject = {"code": _TEXT, "message": _TEXT}
_ERROR: JsonObject = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                **_CODE_AND_MESSAGE,
                "innererror": {
                    "type": "object",
                    "properties": _CODE_AND_MESSAGE,
                    "required": ["code", "message"],
                    "additionalProperties": False,
                },
            },
            "required": ["code", "message"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}
_STATUS: JsonObject = {
    "type": "object",
    "properties": {
        "status": {"const": "alive"},
        "version": {
            "type": "string",
            "description": "The version of the service.",
            "pattern": r"^\d+\.\d+\.\d+$",
        },
        "wall_lacks": {
            "type": "array",
            "items": {"enum": ["limits", "no_new_privileges", "seccomp"]},
            "description": "What this system does not give the wall around decoders, if anything.",
        },
    },
    "required": ["status", "version"],
}
_READY: JsonObject = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": [state.value for state in State]},
        "model": {"type": "string", "description": "Name of the default network."},
        "sha256": {"type": ["string", "null"], "description": "Of its file, once it is loaded."},
    },
    "required": ["status", "model", "sha256"],
}
