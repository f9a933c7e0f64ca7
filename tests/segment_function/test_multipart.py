import pickle
from random import Random

import pytest

from segment_function.multipart import (
    MAX_HEADER_BYTES,
    MAX_PART_HEADER_BYTES,
    MAX_PARTS,
    MAX_PREAMBLE_BYTES,
    PictureFinder,
    boundary_of,
)
from shared_code.errors import ImageFormatInvalid, ImageSizeNotAllowed, SegmentError
from shared_code.limits import MAX_IMAGE_BYTES

IMAGE = b"\x89PNG\r\n\x1a\n\0\r\n--X\r\n--XY\n--XX\0\n\n\r\r\n-- and so on"
OTHER = b"GIF89a is another picture"
NAMED = 'Content-Disposition: form-data; name="a"; filename="b"\r\n'
UNNAMED = 'Content-Disposition: form-data; name="a"\r\n'
END = b"--XX--\r\n"


def part(content: bytes, headers: str = NAMED) -> bytes:
    return b"--XX\r\n" + headers.encode("latin-1") + b"\r\n" + content + b"\r\n"


FIELD = part(b"value", UNNAMED)


def found(data: bytes, chunk_bytes: int = 65_536, boundary: bytes = b"XX") -> bytes:
    finder = PictureFinder(boundary)
    for at in range(0, len(data), chunk_bytes):
        finder.feed(data[at : at + chunk_bytes])
    return finder.picture()


MARKED = {
    "file name": NAMED,
    "empty file name": 'Content-Disposition: form-data; name="a"; filename=""\r\n',
    "bare file name": "Content-Disposition: form-data; name=a; filename=b.png\r\n",
    "extended file name only": "Content-Disposition: form-data; name=\"a\"; filename*=utf-8''%D1%84.jpg\r\n",
    "both file names": "Content-Disposition: form-data; filename=b; filename*=UTF-8''b\r\n",
    "encoded word": 'Content-Disposition: form-data; name=a; filename="=?utf-8?B?0YTQvg==?="\r\n',
    "file name in pieces": "Content-Disposition: form-data; filename*0=a; filename*1*=b\r\n",
    "absurdly numbered piece": f"Content-Disposition: form-data; filename*{'9' * 9000}=a\r\n",
    "raw bytes in the file name": 'Content-Disposition: form-data; filename="\xe9\xff.png"\r\n',
    "semicolon in the file name": 'Content-Disposition: form-data; filename="a;b=c.png"\r\n',
    "quotes in the file name": 'Content-Disposition: form-data; filename="a \\"b\\".png"\r\n',
    "backslash at its end": 'Content-Disposition: form-data; name="a"; filename="C:\\"\r\n',
    "capitals": 'CONTENT-DISPOSITION: FORM-DATA; NAME="a"; FILENAME="b"\r\n',
    "no blanks": 'content-disposition:form-data;name="a";filename="b"\r\n',
    "many blanks": 'Content-Disposition:\t form-data ;\tname = "a" ;  filename = "b" \r\n',
    "folded": 'Content-Disposition: form-data;\r\n\tname="a";\r\n  filename="b"\r\n',
    "folded before the value": 'Content-Disposition:\r\n form-data; filename="b"\r\n',
    "other fields": NAMED + "Content-Transfer-Encoding: binary\r\nContent-Length: 5\r\nX-A: b\r\n",
    "type only": UNNAMED + "Content-Type: image/png\r\n",
    "type in capitals": "CONTENT-TYPE: Image/PNG; a=b\r\n" + UNNAMED,
    "octet-stream only": UNNAMED + "Content-Type: application/octet-stream\r\n",
    "type and no disposition": "Content-Type: application/octet-stream\r\n",
    "text with a file name": NAMED + "Content-Type: text/plain\r\n",
}  # fmt: skip


@pytest.mark.parametrize("headers", MARKED.values(), ids=MARKED.keys())
@pytest.mark.parametrize("chunk_bytes", [1, 7, 65_536])
def test_marked_part(headers: str, chunk_bytes: int) -> None:
    """It is the picture whatever its bytes are, and although a part before it begins as a picture."""
    data = part(OTHER, UNNAMED) + part(b"anything", headers) + part(IMAGE) + END
    assert found(data, chunk_bytes) == b"anything"


UNMARKED = {
    "name only": UNNAMED,
    "no parameter": "Content-Disposition: form-data\r\n",
    "no header field": "",
    "name that looks like a file name": 'Content-Disposition: form-data; name="a; filename=b"\r\n',
    "text type": UNNAMED + "Content-Type: text/plain; charset=utf-8\r\n",
    "json type": UNNAMED + "Content-Type: application/json\r\n",
    "no colon": "Content-Disposition form-data\r\n",
    "unknown field": "X-Filename: a.png\r\n",
}


@pytest.mark.parametrize("headers", UNMARKED.values(), ids=UNMARKED.keys())
@pytest.mark.parametrize("chunk_bytes", [1, 7, 65_536])
def test_unmarked_part(headers: str, chunk_bytes: int) -> None:
    """It is the picture when it begins as one, and no other part is marked and holds something."""
    data = FIELD + part(b"", NAMED) + part(b"BM is no bitmap", headers) + part(IMAGE, headers)
    assert found(data + part(OTHER, headers) + END, chunk_bytes) == IMAGE
    assert found(data + part(b"marked") + END, chunk_bytes) == b"marked"


JSON_PART = part(b'{"quality":"high"}', "Content-Type: application/json\r\n" + UNNAMED)
LONG = part(bytes(200_000), UNNAMED)
SHAPES = {
    "alone": part(IMAGE) + END,
    "behind fields": FIELD + JSON_PART + LONG + part(IMAGE) + END,
    "behind an empty file": part(b"") + part(IMAGE) + END,
    "first of two": part(IMAGE) + part(b"second") + END,
    "empty line before": b"\r\n" + part(IMAGE) + END,
    "preamble": b"This is a multi-part message in MIME format.\r\n--X\r\n\r\n" + part(IMAGE) + END,
    "longest preamble": bytes(MAX_PREAMBLE_BYTES - 200) + b"\r\n" + part(IMAGE) + END,
    "epilogue": part(IMAGE) + END + b"epilogue\r\n--XX\r\n",
    "long epilogue": part(IMAGE) + END + bytes(200_000),
    "no line at the end": part(IMAGE) + b"--XX--",
    "no end but a delimiter": part(IMAGE) + b"--XX\r\n",
    "no end but a bare delimiter": part(IMAGE) + b"--XX",
    "blanks behind the boundary": part(IMAGE).replace(b"--XX\r\n", b"--XX \t \r\n") + END,
    "fault behind the file": part(IMAGE) + b"--XX\r\nbroken header",
    "line feeds only": part(b"").replace(b"\r\n", b"\n")[:-1] + IMAGE.replace(b"\r\n", b"\n") + b"\n--XX--\n",
}


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("chunk_bytes", [1, 7, 65_536])
def test_shape(data: bytes, chunk_bytes: int) -> None:
    expected = IMAGE.replace(b"\r\n", b"\n") if data is SHAPES["line feeds only"] else IMAGE
    if len(data) / chunk_bytes > 50_000:
        chunk_bytes = 97
    assert found(data, chunk_bytes) == expected


def test_picture_that_ends_in_a_carriage_return() -> None:
    """The line end before a delimiter is the form's own, and no byte more."""
    data = part(b"").replace(b"\r\n", b"\n")[:-1]
    assert found(data + b"image\r\n--XX--") == b"image\r"
    assert found(part(b"image\r\r\n\r") + END) == b"image\r\r\n\r"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=XX", b"XX"),
        ('multipart/form-data; boundary="XX"', b"XX"),
        ("multipart/form-data;boundary=XX", b"XX"),
        ("multipart/form-data; boundary = XX ", b"XX"),
        ("Multipart/Form-Data; charset=utf-8; Boundary=XX", b"XX"),
        ("multipart/form-data; boundary=XX; charset=utf-8", b"XX"),
        ("multipart/form-data; boundary=----=_Part_1_2.3'()+_,-./:=?", b"----=_Part_1_2.3'()+_,-./:=?"),
        ('multipart/form-data; boundary="----My Boundary: 1"', b"----My Boundary: 1"),
        ('multipart/form-data; boundary="a\\"b\\\\c;d"', b'a"b\\c;d'),
        ("multipart/form-data; boundary=.*[(\xe9", b".*[(\xe9"),
        ("multipart/form-data; boundary=" + "X" * 256, b"X" * 256),
        ("multipart/form-data; boundary=" + "X" * 257, b""),
        ("multipart/form-data; boundary=", b""),
        ('multipart/form-data; boundary=""', b""),
        ("multipart/form-data; boundary=; charset=utf-8", b""),
        ("multipart/form-data; boundary", b""),
        ("multipart/form-data", b""),
        ("multipart/form-data; xboundary=XX", b""),
        ("multipart/form-data" + ";" * 60_000, b""),
        ("multipart/form-data" + '; boundary="' * 5_000, b"; boundary="),
        ("multipart/form-data; boundary" + " " * 60_000, b""),
    ],
    ids=lambda value: str(value)[:70],
)
def test_boundary(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary
    if boundary:
        data = (part(IMAGE) + END).replace(b"--XX\r", b"--" + boundary + b"\r")
        data = data.replace(b"--XX--", b"--" + boundary + b"--")
        assert found(data, boundary=boundary) == IMAGE


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", ImageSizeNotAllowed, id="empty"),
        pytest.param(END, ImageSizeNotAllowed, id="no part"),
        pytest.param(FIELD + JSON_PART + END, ImageSizeNotAllowed, id="no file"),
        pytest.param(part(b"") + END, ImageSizeNotAllowed, id="empty file"),
        pytest.param(part(b"") + FIELD + END + part(IMAGE), ImageSizeNotAllowed, id="file behind the end"),
        pytest.param(part(IMAGE).replace(b"XX", b"YY"), ImageSizeNotAllowed, id="another boundary"),
        pytest.param(IMAGE, ImageSizeNotAllowed, id="not a form"),
        pytest.param(part(bytes(MAX_IMAGE_BYTES + 1)) + END, ImageSizeNotAllowed, id="a byte too many"),
        pytest.param(
            part(IMAGE + bytes(MAX_IMAGE_BYTES), UNNAMED), ImageSizeNotAllowed, id="unmarked and too large"
        ),
        pytest.param(part(IMAGE), ImageFormatInvalid, id="breaks off before the delimiter"),
        pytest.param(part(IMAGE)[:-9], ImageFormatInvalid, id="breaks off in the file"),
        pytest.param(part(IMAGE, UNNAMED)[:-9], ImageFormatInvalid, id="breaks off in an unmarked file"),
        pytest.param(FIELD[:-9], ImageSizeNotAllowed, id="breaks off in a field"),
        pytest.param(part(b"")[:-12], ImageSizeNotAllowed, id="breaks off in the header"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [11, 65_536])
def test_no_picture(data: bytes, error: type[SegmentError], chunk_bytes: int) -> None:
    with pytest.raises(error):
        found(data, chunk_bytes if len(data) < 1 << 20 else 65_536)


CAPS = {
    "parts": b"--XX\r\n\r\n\r\n" * MAX_PARTS,
    "header of one part": part(b"", "A: " + "b" * MAX_PART_HEADER_BYTES + "\r\n"),
    "fields of one part": part(b"", "A: b\r\n" * (MAX_PART_HEADER_BYTES // 6 + 1)),
    "headers together": part(b"", "A: " + "b" * 1000 + "\r\n") * (MAX_HEADER_BYTES // 1000),
    "preamble": bytes(MAX_PREAMBLE_BYTES + 200) + b"\r\n",
    "header without an end": b"--XX\r\n" + b"A" * (MAX_PART_HEADER_BYTES + 1),
}


@pytest.mark.parametrize("before", CAPS.values(), ids=CAPS.keys())
def test_what_comes_behind_a_cap_is_not_read(before: bytes) -> None:
    data = before + part(IMAGE)
    with pytest.raises(ImageSizeNotAllowed):
        found(data + END, 4096)
    assert found(part(IMAGE) + b"--XX\r\n" + data + END, 4096) == IMAGE


def test_the_last_part_that_may_be_is_read() -> None:
    assert found(b"--XX\r\n\r\n\r\n" * (MAX_PARTS - 1) + part(IMAGE) + END, 4096) == IMAGE


@pytest.mark.parametrize(
    "unit",
    [
        b"--XX\r\n\r\n\r\n",
        b"\r\n--XX",
        b"\r\n--XX ",
        b"\n--X",
        b"\r\n",
        b";",
        b'";',
        b"--XX\r\nA: b\r\n\r\n\r\n",
    ],
    ids=repr,
)
def test_little_is_kept_of_what_is_skipped(unit: bytes) -> None:
    finder = PictureFinder(b"XX")
    finder.feed(FIELD)
    chunk = unit * (65_536 // len(unit))
    for _ in range(320):
        finder.feed(chunk)
        assert len(pickle.dumps(finder)) <= MAX_PART_HEADER_BYTES + 1000
    with pytest.raises(ImageSizeNotAllowed):
        finder.picture()


PIECES = [
    *[b"--XX", b"\r\n--XX", b"\r\n--XX\r\n", b"\n--XX\n", b"--XX--", b"\r\n", b"\n", b"\r", b"\r\n\r\n"],
    *[b" ", b"\t", b";", b'"', b"\\", b":", b"X", b"\0", IMAGE],
    *[b"Content-Disposition: form-data", b"; filename=a", b"Content-Type: image/png"],
]


def test_where_chunks_end_does_not_matter() -> None:
    random = Random(7)
    kinds = set()
    for _ in range(1000):
        data = b"--XX\r\n" + b"".join(random.choices(PIECES, k=40))
        outcomes = {outcome(data, chunk_bytes) for chunk_bytes in (1, 3, 17, 1000)}
        assert len(outcomes) == 1, data
        kinds |= {type(kind) for kind in outcomes}
    assert kinds == {bytes, type}, "pictures were found, and forms refused"


def outcome(data: bytes, chunk_bytes: int) -> bytes | type[SegmentError]:
    try:
        return found(data, chunk_bytes)
    except SegmentError as error:
        return type(error)
