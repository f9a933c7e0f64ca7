"""Forms: the picture that was put in comes out, however the bytes arrive; anything else is refused."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from segment_function.multipart import PictureFinder, boundary_of
from shared_code.errors import ImageFormatInvalid, ImageSizeNotAllowed
from tests.properties.strategies import chunked, damaged

BOUNDARY_CHARACTERS = "abcXYZ019'()+_,-./:=?"
"""Those of RFC 2046, 5.1.1, but for the space."""

MARKS = (
    b'Content-Disposition: form-data; name="image"; filename="a.jpg"',
    b"Content-Disposition: form-data; name=image; filename*=UTF-8''%e2%82%ac.png",
    b"Content-Type: image/png",
    b"content-type:application/octet-stream",
)
NOTES = (
    b'Content-Disposition: form-data; name="note"',
    b'Content-Disposition: form-data; name="a; filename=b"',
    b"Content-Type: text/plain; charset=utf-8",
    b"X-Anything: at all",
)

boundaries = st.text(BOUNDARY_CHARACTERS, min_size=1, max_size=70).map(str.encode)
contents = st.binary(min_size=1, max_size=300)


@dataclass(frozen=True)
class Form:
    """A body, and the picture in it."""

    body: bytes
    boundary: bytes
    picture: bytes


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Notes, then one marked part, then anything."""
    boundary, line_end = draw(boundaries), draw(st.sampled_from((b"\r\n", b"\n")))
    delimiter = b"--" + boundary

    def part(header: bytes, content: bytes) -> bytes:
        return delimiter + line_end + header + line_end * 2 + content + line_end

    def free_of_it(content: bytes) -> bool:
        return delimiter not in content

    notes = draw(st.lists(st.tuples(st.sampled_from(NOTES), contents.filter(free_of_it)), max_size=3))
    picture = draw(contents.filter(free_of_it))
    body = b"".join(part(header, b"note " + content) for header, content in notes)
    body += part(draw(st.sampled_from(MARKS)), picture) + delimiter + b"--"
    return Form(body + draw(st.sampled_from((b"", line_end, b" anything"))), boundary, picture)


def found(boundary: bytes, chunks: list[bytes]) -> bytes | type[Exception]:
    """The picture, or the documented refusal."""
    finder = PictureFinder(boundary)
    try:
        for chunk in chunks:
            finder.feed(chunk)
        return finder.picture()
    except (ImageSizeNotAllowed, ImageFormatInvalid) as refusal:
        return type(refusal)


@given(forms(), st.data())
def test_what_is_written_comes_back(form: Form, choice: st.DataObject) -> None:
    assert found(form.boundary, choice.draw(chunked(form.body))) == form.picture


@given(forms(), st.data())
def test_where_the_bytes_are_cut_does_not_matter(form: Form, choice: st.DataObject) -> None:
    body = choice.draw(damaged(form.body))
    assert found(form.boundary, choice.draw(chunked(body))) == found(form.boundary, [body])


@given(st.binary(max_size=80), st.binary(max_size=300))
def test_anything(boundary: bytes, body: bytes) -> None:
    """And byte by byte."""
    outcome = found(boundary, [body])
    assert found(boundary, [body[at : at + 1] for at in range(len(body))]) == outcome


@given(
    boundaries, st.sampled_from(("multipart/form-data", "Multipart/Form-Data; charset=utf-8")), st.booleans()
)
def test_boundary_comes_back(boundary: bytes, media_type: str, quoted: bool) -> None:
    named = f'"{boundary.decode()}"' if quoted else boundary.decode()
    assert boundary_of(f"{media_type}; boundary={named}") == boundary


@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_any_content_type_has_a_boundary_or_none(content_type: str) -> None:
    assert isinstance(boundary_of(content_type), bytes)
