import json

import pytest

from shared_code import errors
from shared_code.errors import (
    AccessDenied,
    ContentTypeNotSupported,
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
    ImageUrlBadlyFormatted,
    InternalError,
    ModeInvalid,
    PermissionDenied,
    ResourceNotFound,
    SegmentError,
    ServiceUnavailable,
    TokenInvalid,
    TooManyRequests,
    UrlNotAccessible,
    UrlStatus,
)

INVALID = '{"error":{"code":"InvalidRequest","message":"'
DIMENSION = "The image dimension is not allowed to be smaller than 50 and larger than 16000."
MEMORY = "The image is too large to be decoded by this instance."

ROWS = [
    # error, id, status, code, answered by the gateway, Retry-After, body
    (
        AccessDenied(),
        ("E-401", 401, "401", True, None),
        '{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API '
        "endpoint. Make sure to provide a valid key for an active subscription and use a correct regional "
        'API endpoint for your resource."}}',
    ),
    (
        TokenInvalid(),
        ("E-TOKEN", 401, "401", True, None),
        '{"error":{"code":"401","message":"Unauthorized. Access token is missing, invalid, audience is '
        'incorrect (https://cognitiveservices.azure.com), or have expired."}}',
    ),
    (
        PermissionDenied(),
        ("E-403", 403, "PermissionDenied", True, None),
        '{"error":{"code":"PermissionDenied","message":"Principal does not have access to API/Operation."}}',
    ),
    (
        ResourceNotFound(),
        ("E-404", 404, "404", True, None),
        '{"error":{"code":"404","message": "Resource not found"}}',
    ),
    (
        ModeInvalid(),
        ("E-MODE", 400, "InvalidRequest", False, None),
        INVALID + 'Value for mode is invalid."}}',
    ),
    (
        ContentTypeNotSupported("text/plain"),
        ("E-TYPE", 400, "InvalidRequest", False, None),
        INVALID + 'The provided image content type text/plain is not supported."}}',
    ),
    (
        ImageSizeNotAllowed(),
        ("E-SIZE", 400, "InvalidRequest", False, None),
        INVALID + 'The image size is not allowed to be zero or larger than 20971520 bytes."}}',
    ),
    (
        ImageUrlBadlyFormatted(),
        ("E-JSON", 400, "InvalidRequest", False, None),
        INVALID + 'Image URL is badly formatted or not accessible."}}',
    ),
    (
        UrlNotAccessible(),
        ("E-URL", 400, "InvalidRequest", False, None),
        INVALID + 'The provided image url is not accessible."}}',
    ),
    (
        UrlStatus(404),
        ("E-URLSTATUS", 400, "InvalidRequest", False, None),
        INVALID + 'The provided image url can not be accessed. status code: 404."}}',
    ),
    (
        ImageFormatInvalid(),
        ("E-FORMAT", 400, "InvalidRequest", False, None),
        INVALID + 'Image format is not valid.","innererror":{"code":"InvalidImageFormat",'
        '"message":"Input data is not a valid image."}}}',
    ),
    (
        ImageDimensionNotAllowed(),
        ("E-DIM", 400, "InvalidRequest", False, None),
        INVALID + DIMENSION + '","innererror":{"code":"InvalidImageSize","message":"' + DIMENSION + '"}}}',
    ),
    (
        ImageTooLargeForInstance(),
        ("E-MEMORY", 400, "InvalidRequest", False, None),
        INVALID + MEMORY + '","innererror":{"code":"InvalidImageSize","message":"' + MEMORY + '"}}}',
    ),
    (
        TooManyRequests(),
        ("E-429", 429, "429", True, 2),
        '{"error":{"code":"429","message":"Requests to the ImageAnalysis_Segment Operation under '
        "Computer Vision API (2023-02-01-preview) have exceeded call rate limit. "
        'Please retry after 2 seconds."}}',
    ),
    (
        InternalError(),
        ("E-500", 500, "InternalServerError", False, None),
        '{"error":{"code":"InternalServerError","message":"The processing resulted in an internal error."}}',
    ),
    (
        ServiceUnavailable(),
        ("E-503", 503, "ServiceUnavailable", False, 5),
        '{"error":{"code":"ServiceUnavailable","message":"The service is unavailable."}}',
    ),
]


@pytest.mark.parametrize(("error", "traits", "body"), ROWS, ids=[row[1][0] for row in ROWS])
def test_row_of_the_contract(
    error: SegmentError, traits: tuple[str, int, str, bool, int | None], body: str
) -> None:
    assert (error.id, error.status, error.code, error.gateway, error.retry_after_s) == traits
    assert error.body() == body.encode()
    assert json.loads(error.body())["error"]["message"] == error.message
    assert str(error) == f"{error.id}: {error.message}"


def test_every_error_has_a_row() -> None:
    classes = {
        error
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, SegmentError)
    }
    assert {type(error) for error, _, _ in ROWS} == classes - {SegmentError}


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("x/" + "y" * 200, "x/" + "y" * 98),
        ("text/\r\nplain\x00\x7f", "text/plain"),
        ("text/pläin", "text/plin"),
        ("~ a !", "~ a !"),
        ('a"b\\c', 'a"b\\c'),
        ("", ""),
    ],
)
def test_content_type_is_shown_short_and_printable(content_type: str, shown: str) -> None:
    message = json.loads(ContentTypeNotSupported(content_type).body())["error"]["message"]
    assert message == f"The provided image content type {shown} is not supported."
