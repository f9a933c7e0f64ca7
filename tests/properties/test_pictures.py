"""Every reader of a picture, on files that are nearly right: a documented refusal, or a whole picture."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.Image import Resampling

from shared_code.encode.encoder import Pixels, encoded
from shared_code.encode.png import png_encoder
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
)
from shared_code.limits import MAX_SIDE_PX, MIN_SIDE_PX
from shared_code.picture.decoding import decode
from shared_code.picture.formats import FORMATS
from shared_code.picture.header import open_source
from shared_code.picture.scale import decode_scale
from tests.properties.strategies import damaged
from tests.shared_code.picture.samples import (
    PNG_MAGIC,
    icc_profile,
    icon,
    icon_bitmap,
    jpeg_in_three_scans,
    png,
    run_length_bitmap,
    saved,
    tiff_of,
    turned,
)
from tests.shared_code.picture.test_bitmaps import RGBA, bitmap, packed
from tests.shared_code.picture.test_tiff import HEIGHT, WIDTH, layout

REFUSALS = (ImageSizeNotAllowed, ImageFormatInvalid, ImageDimensionNotAllowed)
MOST_BYTES = 64 << 20
"""What takes more is left out: the service admits no picture before it knows what that one takes."""

COLOUR = Image.linear_gradient("L").resize((70, 61)).convert("RGB")
COLOUR.putpixel((3, 4), (200, 10, 60))
GRAY = COLOUR.convert("L")
ALPHA = COLOUR.convert("RGBA")
ALPHA.putalpha(GRAY)

PLANES = np.random.default_rng(1).integers(0, 65_536, (HEIGHT, WIDTH, 5)).astype(np.uint16)
MASKS = (0xF00, 0xF0, 0xF, 0xF000)

FILES: dict[str, bytes] = {
    "JPEG": saved(COLOUR, "JPEG"),
    "JPEG, progressive": saved(COLOUR, "JPEG", progressive=True),
    "JPEG, gray": saved(GRAY, "JPEG"),
    "JPEG, CMYK": saved(COLOUR.convert("CMYK"), "JPEG"),
    "JPEG, turned": turned(COLOUR, "JPEG", 6),
    "JPEG, restart markers": saved(COLOUR, "JPEG", restart_marker_blocks=2),
    "JPEG, three scans": jpeg_in_three_scans(GRAY),
    "JPEG, profile": saved(GRAY, "JPEG", icc_profile=icc_profile("GRAY", 2.2)),
    "MPO": saved(COLOUR, "MPO", save_all=True, append_images=[COLOUR]),
    "PNG": saved(COLOUR, "PNG"),
    "PNG, alpha": saved(ALPHA, "PNG"),
    "PNG, palette": saved(COLOUR.quantize(20), "PNG", transparency=3),
    "PNG, one bit": saved(GRAY.convert("1"), "PNG"),
    "PNG, 16 bits": png(60, 55, bits=16, colour_type=0, pixels=bytes(60 * 55 * 2)),
    "PNG, turned": turned(COLOUR, "PNG", 5),
    "GIF": saved(COLOUR.quantize(20), "GIF"),
    "GIF, frames": saved(GRAY, "GIF", save_all=True, append_images=[COLOUR], loop=0, transparency=1),
    "BMP": saved(COLOUR, "BMP"),
    "BMP, palette": saved(COLOUR.quantize(20), "BMP"),
    "BMP, one bit": saved(GRAY.convert("1"), "BMP"),
    "BMP, runs": run_length_bitmap(64),
    "WEBP": saved(COLOUR, "WEBP"),
    "WEBP, lossless with alpha": saved(ALPHA, "WEBP", lossless=True),
    "WEBP, turned": turned(COLOUR, "WEBP", 8),
    "TIFF": saved(COLOUR, "TIFF"),
    "TIFF, LZW": saved(ALPHA, "TIFF", compression="tiff_lzw"),
    "TIFF, deflate": saved(COLOUR, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG": saved(COLOUR, "TIFF", compression="jpeg"),
    "TIFF, runs": saved(GRAY, "TIFF", compression="packbits"),
    "TIFF, fax": saved(GRAY.convert("1"), "TIFF", compression="group4"),
    "TIFF, big": tiff_of(60, 55, big=True),
    "TIFF, other order": tiff_of(60, 55, order=">"),
    "TIFF, turned": turned(COLOUR, "TIFF", 7),
    "TIFF, planes": layout(PLANES, 16, 2, extra=[2, 0], planar=True, rows=10),
    "TIFF, planes, LZW": layout(PLANES, 16, 2, extra=[1, 0], planar=True, compression=5, predictor=2),
    "TIFF, 12 bits in tiles": layout(PLANES[..., :1] >> 4, 12, 0, tile=(32, 16), order=">"),
    "TIFF, palette and alpha": layout(
        PLANES[..., :2].astype(np.uint8), 8, 3, extra=[2], tags={320: (3, [257] * 768)}
    ),
    "BMP, masks": bitmap(packed(RGBA, MASKS, 16), 16, size=124, compression=3, masks=MASKS),
    "ICO": icon((64, 64, 32, icon_bitmap(ALPHA.resize((64, 64))))),
    "ICO of a PNG": icon((70, 61, 32, saved(ALPHA, "PNG"))),
}


def read(data: bytes) -> Image.Image | None:
    """The picture, read whole as the service does; None where it takes more memory than is tried here."""
    source = open_source(data)
    for side in (source.width, source.height):
        assert MIN_SIDE_PX <= side <= MAX_SIDE_PX
    if source.fixed_bytes + source.bytes_per_pixel * source.width * source.height > MOST_BYTES:
        return None
    scale = decode_scale(source, 64, 64)
    picture = decode(source, scale)
    assert picture.thumbnail(32, 32, Resampling.BILINEAR).size == (32, 32)
    whole = picture.rows(0, picture.height, picture.width, picture.height)
    assert whole.mode == ("RGBA" if picture.has_alpha else "RGB")
    assert whole.size == (picture.width, picture.height)
    return whole


def assert_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except REFUSALS:
        pass
    except ImageTooLargeForInstance:
        pytest.fail("memory ran out over a picture that was said to take little")


@pytest.mark.parametrize("name", FILES)
def test_as_they_are_they_are_pictures(name: str) -> None:
    assert read(FILES[name]) is not None


def test_every_format_is_tried() -> None:
    begun = {row.name for row in FORMATS for data in FILES.values() if row.begins.match(data)}
    assert begun == {row.name for row in FORMATS}


@pytest.mark.parametrize("name", FILES)
@given(choice=st.data())
def test_nearly_a_picture(name: str, choice: st.DataObject) -> None:
    assert_read_or_refused(choice.draw(damaged(FILES[name])))


@pytest.mark.parametrize("name", [name for name in FILES if "PNG" in name])
@given(choice=st.data())
def test_damaged_chunks_whose_checksums_are_right(name: str, choice: st.DataObject) -> None:
    data = choice.draw(damaged(FILES[name]))
    begin = data.find(PNG_MAGIC) + len(PNG_MAGIC)
    assert_read_or_refused(data[:begin] + with_right_checksums(data[begin:]))


def with_right_checksums(chunks: bytes) -> bytes:
    """The chunks of a PNG (W3C PNG, 5.3), as far as their lengths lead."""
    right, at = b"", 0
    while at + 12 <= len(chunks):
        end = at + 8 + int.from_bytes(chunks[at : at + 4])
        right += chunks[at:end] + zlib.crc32(chunks[at + 4 : end]).to_bytes(4)
        at = end + 4
    return right


@pytest.mark.parametrize("name", FILES)
@given(choice=st.data())
def test_half_of_one_picture_and_half_of_another(name: str, choice: st.DataObject) -> None:
    other = FILES[choice.draw(st.sampled_from(sorted(FILES)))]
    data = FILES[name][: choice.draw(st.integers(0, len(FILES[name])))]
    assert_read_or_refused(data + other[choice.draw(st.integers(0, len(other))) :])


BEGINNINGS = (
    *(b"\xff\xd8\xff", PNG_MAGIC, b"GIF89a", b"BM", b"RIFF\x80\0\0\0WEBP"),
    *(b"II*\0", b"MM\0+", b"\0\0\1\0"),
)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=300))
def test_what_only_begins_as_a_picture(beginning: bytes, rest: bytes) -> None:
    assert_read_or_refused(beginning + rest)


@given(st.binary(max_size=200))
def test_anything(data: bytes) -> None:
    assert_read_or_refused(data)


@given(
    st.sampled_from(((Pixels.GRAY, False), (Pixels.GRAY, True), (Pixels.RGBA, False))),
    st.integers(1, 40),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.data(),
)
def test_what_is_encoded_comes_back(
    kind: tuple[Pixels, bool], width: int, heights: list[int], choice: st.DataObject
) -> None:
    pixels, palette = kind
    stride = width * pixels.value
    rows = [choice.draw(st.binary(min_size=count * stride, max_size=count * stride)) for count in heights]
    strips = [np.frombuffer(each, np.uint8).reshape(-1, stride) for each in rows]
    encoder = png_encoder(width, sum(heights), pixels, gray_palette=palette)
    with Image.open(io.BytesIO(encoded(encoder, strips))) as image:
        assert image.mode == {Pixels.RGBA: "RGBA", Pixels.GRAY: "P" if palette else "L"}[pixels]
        found = np.asarray(image).reshape(sum(heights), stride)
    np.testing.assert_array_equal(found, np.vstack(strips))
