"""Why files are refused, by what is left of each format's file, and by what other files are."""

import gzip

import pytest

from shared_code.errors import ImageFault, ImageFormatInvalid
from shared_code.picture.decoding import decode
from shared_code.picture.fault import fault_of, format_of
from shared_code.picture.formats import FORMATS, recognise
from shared_code.picture.header import open_source
from tests.shared_code.picture.heif_samples import avif, heic
from tests.shared_code.picture.samples import icon, icon_bitmap, png
from tests.support.hostile import jpeg_scans
from tests.support.photos import encoded, photo

FORMS = ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "ICO"]


def told(data: bytes) -> ImageFault:
    with pytest.raises(ImageFormatInvalid) as raised:
        decode(open_source(data), 1)
    return fault_of(data, raised.value.fault)


@pytest.mark.parametrize("form", FORMS)
def test_format(form: str) -> None:
    assert form in {row.name for row in FORMATS}
    assert format_of(encoded(form, 120, 90)) == form


def test_no_format() -> None:
    assert format_of(b"") is None
    assert format_of(b"no picture") is None


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ImageFault.HEIC),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", ImageFault.HEIC),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0mif1hevc", ImageFault.HEIC),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", ImageFault.AVIF),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", ImageFault.AVIF),
    ],
)
def test_formats_that_are_not_asked_for(data: bytes, fault: ImageFault) -> None:
    assert fault_of(data + bytes(99), ImageFault.UNKNOWN) is fault


WHOLE = {
    **{form: encoded(form, 64, 50) for form in FORMS},
    "ICO of a bitmap": icon((64, 50, 32, icon_bitmap(photo().resize((64, 50))))),
    "ICO without a mask": icon((64, 50, 32, icon_bitmap(photo().resize((64, 50)))[: 40 + 4 * 64 * 50])),
    "AVIF": avif(photo().resize((64, 50))),
    "HEIC": heic(photo().resize((64, 50))),
}


@pytest.mark.parametrize("what", WHOLE)
def test_nothing_is_missing_of_a_whole_file(what: str) -> None:
    found = recognise(WHOLE[what])
    assert found is not None
    form, content = found
    assert not form.ends_early(content)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("form", FORMS)
def test_cut_short(form: str, kept: float) -> None:
    data = encoded(form, 200, 150)
    assert told(data[: int(kept * len(data))]) is ImageFault.TRUNCATED


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\0\0\0\x20ftypisom" + bytes(99), ImageFault.OTHER_FORMAT),
        (b"%PDF-1.7\n" + bytes(99), ImageFault.OTHER_FORMAT),
        (b"8BPS\0\1" + bytes(99), ImageFault.OTHER_FORMAT),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ImageFault.OTHER_FORMAT),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", ImageFault.OTHER_FORMAT),
        (gzip.compress(b"<svg/>"), ImageFault.OTHER_FORMAT),
        (b"P6\n50 50\n255\n" + bytes(7500), ImageFault.OTHER_FORMAT),
        (b"\xff\x0a" + bytes(99), ImageFault.OTHER_FORMAT),
        (b"<html><body>404</body></html>", ImageFault.UNKNOWN),
        (b'{"url": "https://example.com"}', ImageFault.UNKNOWN),
        (bytes(1000), ImageFault.UNKNOWN),
        (png(160, 120, pixels=bytes(160 * 120 * 3)).replace(b"IDAT", b"IDxT"), ImageFault.CORRUPT),
        (jpeg_scans(4000, 250), ImageFault.HOSTILE),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_why(data: bytes, fault: ImageFault) -> None:
    assert told(data) is fault
