import pytest

from segment_client.errors import ErrorDocument, Refused, error_id, parse_document
from shared_code.errors import SegmentError, all_errors


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.id)
def test_every_error_of_the_service_is_known_by_its_document(error: SegmentError) -> None:
    document = parse_document(error.body())
    assert error_id(error.status, document) == error.id
    assert document.message == error.message


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"error":{"code":"1","message":"m"}}', ErrorDocument("1", "m")),
        (b'{"error":{"code":"1","message":"m","innererror":{"code":"i"}}}', ErrorDocument("1", "m", "i")),
        (b'{"error":{"code":"1","message":"m","innererror":null}}', ErrorDocument("1", "m")),
        (b'{"error":{"code":"1","message":"m","innererror":"i"}}', ErrorDocument()),
        (b'{"error":"m"}', ErrorDocument()),
        (b'{"error":{"code":"1"}}', ErrorDocument()),
        (b"[]", ErrorDocument()),
        (b"[" * 100_000, ErrorDocument()),
        (b"<html>", ErrorDocument()),
        (b"\xff\xfe", ErrorDocument()),
        (b"", ErrorDocument()),
    ],
)
def test_document(body: bytes, document: ErrorDocument) -> None:
    assert parse_document(body) == document


@pytest.mark.parametrize(
    ("status", "retryable", "final"),
    [
        (302, False, True),
        (400, False, False),
        (401, False, True),
        (403, False, True),
        (404, False, True),
        (413, False, False),
        (429, True, False),
        (500, True, False),
        (502, True, False),
        (503, True, False),
        (504, True, False),
    ],
)
def test_what_a_status_means(status: int, *, retryable: bool, final: bool) -> None:
    error = Refused(status, ErrorDocument(), None, "")
    assert (error.id, error.retryable, error.final) == (f"HTTP-{status}", retryable, final)


def test_a_message_is_one_line() -> None:
    assert Refused(400, ErrorDocument("1", "a\nb\x1b[31m"), None, "").message == r"a\nb\x1b[31m"
