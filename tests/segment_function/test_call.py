import pytest

from segment_function.call import BodyKind, Call, parse_call
from shared_code.encode.answer_formats import PNG, WEBP, AnswerFormat
from shared_code.errors import ContentTypeNotSupported, ModeInvalid, ResourceNotFound, SegmentError
from shared_code.modes import Mode
from tests.segment_function.asgi import request

NETWORKS = ("u2net", "u2netp")
VERSION = "api-version=2023-02-01-preview"
REMOVAL, MATTING = Mode.BACKGROUND_REMOVAL, Mode.FOREGROUND_MATTING


@pytest.mark.parametrize(
    ("query", "mode", "network"),
    [
        (f"{VERSION}&mode=backgroundRemoval", REMOVAL, None),
        (f"{VERSION}&mode=foregroundMatting", MATTING, None),
        ("mode=backgroundRemoval&api-version=2023-04-01-preview", REMOVAL, None),
        (f"{VERSION}&mode=BACKGROUNDREMOVAL", REMOVAL, None),
        (f"{VERSION}&mode=foregroundmatting", MATTING, None),
        ("API-Version=2023-02-01-preview&MODE=backgroundRemoval&Model-Name=u2net", REMOVAL, "u2net"),
        (f"{VERSION}&mode=backgroundRemoval&model-name=u2netp", REMOVAL, "u2netp"),
        (f"{VERSION}&mode=backgroundRemoval&overload=stream&x=%FF&language=de&=&a", REMOVAL, None),
        (f"{VERSION}&mode=background%52emoval", REMOVAL, None),
    ],
)
def test_query(query: str, mode: Mode, network: str | None) -> None:
    assert parse_call(request(query=query), NETWORKS) == Call(mode, network, BodyKind.BYTES, "")


MODE = "mode=backgroundRemoval"


@pytest.mark.parametrize(
    ("query", "crop"),
    [
        ("crop=subject", True),
        ("Crop=SUBJECT", True),
        ("crop=%73ubject", True),
        ("", False),
        ("crop=", False),
        ("crop", False),
        ("crop=true", False),
        ("crop=subject%20", False),
        ("crop=subject&crop=subject", False),
        ("smartcrops=subject", False),
    ],
)
def test_only_the_subject_is_asked_for_by_its_name(query: str, crop: bool) -> None:
    assert parse_call(request(query=f"{VERSION}&{MODE}&{query}"), NETWORKS).crop == crop


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", ResourceNotFound),
        (MODE, ResourceNotFound),
        (f"{MODE}&api-version=", ResourceNotFound),
        (f"{MODE}&api-version=2023-10-01", ResourceNotFound),
        (f"{MODE}&api-version=2023-02-01-PREVIEW", ResourceNotFound),
        (f"{MODE}&{VERSION}&{VERSION}", ResourceNotFound),
        (f"{MODE}&{VERSION}&API-VERSION=2023-04-01-preview", ResourceNotFound),
        (f"{MODE}&{VERSION}&model-name=nobody", ResourceNotFound),
        (f"{MODE}&{VERSION}&model-name=", ResourceNotFound),
        (f"{MODE}&{VERSION}&model-name=U2NET", ResourceNotFound),
        (f"{MODE}&{VERSION}&model-name=u2net&model-name=u2net", ResourceNotFound),
        (f"{VERSION}", ModeInvalid),
        (f"{VERSION}&mode=", ModeInvalid),
        (f"{VERSION}&mode=segment", ModeInvalid),
        (f"{VERSION}&mode=backgroundRemoval%20", ModeInvalid),
        (f"{VERSION}&mode=backgroundRemoval%00", ModeInvalid),
        (f"{VERSION}&{MODE}&{MODE}", ModeInvalid),
    ],
)
def test_query_that_is_refused(query: str, error: type[SegmentError]) -> None:
    with pytest.raises(error):
        parse_call(request(query=query), NETWORKS)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, BodyKind.BYTES),
        ({"Content-Type": ""}, BodyKind.BYTES),
        ({"Content-Type": "application/octet-stream"}, BodyKind.BYTES),
        ({"Content-Type": "APPLICATION/Octet-Stream; a=b"}, BodyKind.BYTES),
        ({"Content-Type": "image/png"}, BodyKind.BYTES),
        ({"Content-Type": "image/*"}, BodyKind.BYTES),
        ({"Content-Type": "Image/nothing-known"}, BodyKind.BYTES),
        ({"Content-Type": "multipart/form-data; boundary=x"}, BodyKind.FORM),
        ({"Content-Type": "multipart/form-data"}, BodyKind.FORM),
        ({"Content-Type": "application/json"}, BodyKind.URL),
        ({"Content-Type": " application/json ;charset=utf-16"}, BodyKind.URL),
        ({"Content-Type": "image/png, image/png"}, BodyKind.BYTES),
        ({"Content-Type": "application/octet-stream;, application/json"}, BodyKind.BYTES),
        ({"Content-Type": ";"}, BodyKind.BYTES),
    ],
)
def test_content_type(headers: dict[str, str], kind: BodyKind) -> None:
    call = parse_call(request(query=f"{VERSION}&{MODE}", headers=headers), NETWORKS)
    assert call.body is kind
    assert call.content_type == headers.get("Content-Type", "")


@pytest.mark.parametrize(
    ("headers", "format"),
    [({}, PNG), ({"Accept": "application/json"}, PNG), ({"Accept": "image/webp"}, WEBP)],
)
def test_accept(headers: dict[str, str], format: AnswerFormat) -> None:
    assert parse_call(request(query=f"{VERSION}&{MODE}", headers=headers), NETWORKS).format is format


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("text/plain", "text/plain"),
        ("Text/Plain; charset=utf-8", "Text/Plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("multipart/mixed", "multipart/mixed"),
        ("application/jsonl", "application/jsonl"),
        ("image", "image"),
        ("*/*", "*/*"),
    ],
)
def test_content_type_that_is_refused(content_type: str, shown: str) -> None:
    with pytest.raises(ContentTypeNotSupported, match=f"content type {shown.replace('*', '.')} is not"):
        parse_call(request(query=f"{VERSION}&{MODE}", headers={"Content-Type": content_type}), NETWORKS)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("api-version=none&model-name=nobody&mode=none", ResourceNotFound),
        (f"{VERSION}&model-name=nobody&mode=none", ResourceNotFound),
        (f"{VERSION}&model-name=u2net&mode=none", ModeInvalid),
        (f"{VERSION}&model-name=u2net&{MODE}", ContentTypeNotSupported),
    ],
)
def test_order_of_checks(query: str, error: type[SegmentError]) -> None:
    with pytest.raises(error):
        parse_call(request(query=query, headers={"Content-Type": "text/plain"}), NETWORKS)
