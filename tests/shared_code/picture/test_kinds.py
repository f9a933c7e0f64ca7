"""Pictures that other software shows wrong, or refuses: each kind with what is right for it."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from shared_code.errors import ImageFormatInvalid, SegmentError
from shared_code.picture.decoding import DecodedImage, decode
from shared_code.picture.header import open_source
from tests.shared_code.picture.samples import (
    PNG_MAGIC,
    SRGB_PRIMARIES,
    icc_profile,
    icon,
    icon_bitmap,
    jpeg_in_three_scans,
    jpeg_of,
    jpeg_segment,
    jpeg_segments,
    png,
    png_chunk,
    saved,
    tiff_of,
)
from tests.support.photos import photo

WIDTH, HEIGHT = 120, 90
RGB = np.asarray(photo().resize((WIDTH, HEIGHT)))
PHOTO = Image.fromarray(RGB)  # without the profile that the file has
GRAY = np.asarray(PHOTO.convert("L"))


def picture_of(data: bytes) -> DecodedImage:
    return decode(open_source(data), 1)


def pixels(data: bytes) -> NDArray[np.uint8]:
    """RGB, or RGBA when the picture has alpha."""
    picture = picture_of(data)
    found = np.asarray(picture.rows(0, picture.height, picture.width, picture.height))
    assert found.shape[2] == (4 if picture.has_alpha else 3)
    return found


def gray_of(data: bytes) -> NDArray[np.uint8]:
    found = pixels(data)
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert (found == found[..., :1]).all()
    return found[..., 0]


def refused(data: bytes) -> bool:
    try:
        picture_of(data)
    except ImageFormatInvalid:
        return True
    return False


def bitmap_v4(alpha: NDArray[np.uint8]) -> bytes:
    """A BITMAPV4HEADER that declares an alpha mask."""
    rows = np.dstack([RGB[..., ::-1], alpha])[::-1].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(rows), 0, 0, 0, 0) + masks
    return b"BM" + struct.pack("<IHHI", 122 + len(rows), 0, 0, 122) + header.ljust(108, b"\0") + rows


def one_pixel_of_alpha() -> NDArray[np.uint8]:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[3, 4] = 1
    return alpha


def icon_with(alpha: NDArray[np.uint8], masked: slice | None = None, mask: bool = True) -> bytes:
    image = Image.fromarray(np.dstack([RGB, alpha]))
    bitmap = icon_bitmap(image)
    stride = (WIDTH + 31) // 32 * 4
    bits = np.zeros((HEIGHT, WIDTH), np.uint8)
    bits[:, masked if masked else slice(0, 0)] = 1
    packed = np.pad(np.packbits(bits[::-1], 1), ((0, 0), (0, stride - -(-WIDTH // 8)))).tobytes()
    body = bitmap[: -stride * HEIGHT] + (packed if mask else b"")
    return icon((WIDTH, HEIGHT, 32, body))


EMPTY = np.zeros((HEIGHT, WIDTH), np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bitmap_v4(EMPTY), id="V4 bitmap"),
        pytest.param(icon_with(EMPTY), id="icon"),
        pytest.param(icon_with(EMPTY, mask=False), id="icon without its mask"),
        pytest.param(
            tiff_of(
                WIDTH,
                HEIGHT,
                {258: (3, (8,) * 4), 262: (3, (2,)), 277: (3, (4,))},
                np.dstack([RGB, EMPTY]).tobytes(),
            ),
            id="TIFF without ExtraSamples",
        ),
    ],
)
def test_alpha_that_was_never_filled_in(data: bytes) -> None:
    np.testing.assert_array_equal(pixels(data), RGB)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bitmap_v4(one_pixel_of_alpha()), id="V4 bitmap"),
        pytest.param(icon_with(one_pixel_of_alpha()), id="icon"),
        pytest.param(
            tiff_of(
                WIDTH,
                HEIGHT,
                {258: (3, (8,) * 4), 262: (3, (2,)), 277: (3, (4,)), 338: (3, (2,))},
                np.dstack([RGB, one_pixel_of_alpha()]).tobytes(),
            ),
            id="TIFF",
        ),
    ],
)
def test_one_pixel_of_alpha_makes_it_real(data: bytes) -> None:
    np.testing.assert_array_equal(pixels(data)[..., 3], one_pixel_of_alpha())


def test_a_tiff_that_declares_its_alpha_means_it() -> None:
    tags = {258: (3, (8,) * 4), 262: (3, (2,)), 277: (3, (4,)), 338: (3, (2,))}
    data = tiff_of(WIDTH, HEIGHT, tags, np.dstack([RGB, EMPTY]).tobytes())
    assert pixels(data)[..., 3].max() == 0


def test_the_mask_of_an_icon_whose_alpha_was_never_filled_in() -> None:
    alpha = pixels(icon_with(EMPTY, masked=slice(0, 50)))[..., 3]
    assert alpha[:, :50].max() == 0
    assert alpha[:, 50:].min() == 255


@pytest.mark.parametrize("extra", [(0,), (0, 0)], ids=str)
@pytest.mark.parametrize("colours", [1, 3, 4])
def test_extra_samples_of_no_meaning(colours: int, extra: tuple[int, ...]) -> None:
    image = PHOTO.convert({1: "L", 3: "RGB", 4: "CMYK"}[colours])
    stored = np.asarray(image).reshape(HEIGHT, WIDTH, colours)
    noise = np.full((HEIGHT, WIDTH, len(extra)), 7, np.uint8)
    count = colours + len(extra)
    tags = {
        258: (3, (8,) * count),
        262: (3, ({1: 1, 3: 2, 4: 5}[colours],)),
        277: (3, (count,)),
        338: (3, extra),
    }
    data = tiff_of(WIDTH, HEIGHT, tags, np.dstack([stored, noise]).tobytes())
    np.testing.assert_array_equal(pixels(data), np.asarray(image.convert("RGB")))


LINEAR = {
    name: icc_profile("RGB", 1.0, SRGB_PRIMARIES).replace(b"test profile", name.ljust(12).encode())
    for name in ("sRGB linear", "other")
}


def linear(**options: object) -> bytes:
    light = (RGB / 255) ** 2.2
    return saved(Image.fromarray((light * 255 + 0.5).astype(np.uint8)), "PNG", **options)


def chunks_before_pixels(data: bytes, *chunks: bytes) -> bytes:
    return data[:33] + b"".join(chunks) + data[33:]


def gamma_chunk(gamma: float) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def test_a_profile_is_judged_by_what_it_does() -> None:
    one, other = (pixels(linear(icc_profile=profile)) for profile in LINEAR.values())
    np.testing.assert_array_equal(one, other)
    assert np.abs(one.astype(int) - RGB).mean() < 3
    assert np.abs(pixels(linear()).astype(int) - RGB).mean() > 20


def test_an_srgb_profile_by_any_name_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = profile.replace("sRGB".encode("utf-16-be"), "ABCD".encode("utf-16-be"))
    assert renamed != profile
    np.testing.assert_array_equal(pixels(saved(PHOTO, "PNG", icc_profile=renamed)), RGB)


SRGB_CHUNK = png_chunk(b"sRGB", b"\0")


@pytest.mark.parametrize(
    ("chunks", "honoured"),
    [
        ([gamma_chunk(1.0)], True),
        ([gamma_chunk(0.45455)], False),
        ([gamma_chunk(0)], False),
        ([gamma_chunk(0.00015)], False),
        ([gamma_chunk(6251)], False),
        ([gamma_chunk(1.0), SRGB_CHUNK], False),
        (
            [
                png_chunk(b"iCCP", b"a\0\0" + zlib.compress(icc_profile("RGB", 2.2, SRGB_PRIMARIES))),
                gamma_chunk(1),
            ],
            False,
        ),
        ([png_chunk(b"iCCP", b"a\0\0damaged"), gamma_chunk(1)], True),
        ([gamma_chunk(1)[:-1] + b"?"], False),
    ],
    ids=[
        "linear",
        "sRGB's own",
        "none",
        "too small",
        "too large",
        "beside sRGB",
        "beside a profile",
        "beside a damaged one",
        "damaged",
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_gamma(mode: str, chunks: list[bytes], honoured: bool) -> None:
    image = PHOTO.quantize(64) if mode == "P" else PHOTO.convert(mode)
    plain = saved(image, "PNG")
    without, found = pixels(plain).astype(int), pixels(chunks_before_pixels(plain, *chunks)).astype(int)
    if honoured:
        light = without[..., :3] / 255
        srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
        assert np.abs(found[..., :3] - srgb).max() <= 1
    else:
        assert np.abs(found[..., :3] - without[..., :3]).max() <= 12  # gamma 2.2 is not quite sRGB
        assert np.abs(found[..., :3] - without[..., :3]).mean() < 2


def thumbnail_first(first: dict[int, tuple[int, tuple[int, ...]]], front: bytes = b"") -> bytes:
    return tiff_of(WIDTH, HEIGHT, first, front + bytes(WIDTH * HEIGHT))


def raw_in_a_sub_directory(photometric: int) -> bytes:
    pixels_and_directory = bytes(WIDTH * HEIGHT) + struct.pack("<HHHIII", 1, 262, 4, 1, photometric, 0)
    return tiff_of(WIDTH, HEIGHT, {330: (4, (8 + WIDTH * HEIGHT,))}, pixels_and_directory)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(thumbnail_first({50706: (1, (1, 4, 0, 0))}), id="DNG"),
        pytest.param(thumbnail_first({37398: (1, (1, 0, 0, 0))}), id="TIFF/EP"),
        pytest.param(
            thumbnail_first({254: (4, (1,)), 330: (4, (8,))}), id="a reduced picture and sub-directories"
        ),
        pytest.param(thumbnail_first({}, b"CR\2\0"), id="CR2"),
        pytest.param(thumbnail_first({262: (3, (32_803,))}), id="colour filter array"),
        pytest.param(raw_in_a_sub_directory(32_803), id="NEF, ARW: filter array in a sub-directory"),
        pytest.param(raw_in_a_sub_directory(34_892), id="linear raw in a sub-directory"),
    ],
)
def test_camera_raw_is_no_thumbnail(data: bytes) -> None:
    assert refused(data)


def test_a_sub_directory_of_something_else_does_no_harm() -> None:
    assert not refused(raw_in_a_sub_directory(1))


JPEG = saved(PHOTO.resize((640, 480)), "JPEG", quality=85)
DATA_BEGINS = JPEG.index(b"\xff\xda") + 14


def cut(data: bytes, kept: float, filling: bytes = b"") -> bytes:
    at = DATA_BEGINS + int((len(data) - DATA_BEGINS) * kept)
    at -= data[at - 1] == 0xFF
    return data[:at] + filling


def progressive(kept: int) -> bytes:
    return jpeg_of(*jpeg_segments(saved(PHOTO, "JPEG", progressive=True))[:kept])


def in_one_segment(data: bytes) -> bytes:
    """The same JPEG with all its Huffman tables in one segment, behind one of a symbol that no scan uses."""
    segments, unused = jpeg_segments(data), b"\3\1" + bytes(15) + b"\5"
    tables = unused + b"".join(segment[4:] for segment in segments if segment[1] == 0xC4)
    *others, scan = (segment for segment in segments if segment[1] != 0xC4)
    return jpeg_of(*others, jpeg_segment(0xC4, tables), scan)


@pytest.mark.parametrize(
    "data",
    [
        *(
            pytest.param(cut(JPEG, part, b"\xff\xd9"), id=f"cut at {part:.0%} and closed")
            for part in (0.05, 0.5, 0.99)
        ),
        *(
            pytest.param(cut(JPEG, part, bytes(9000)), id=f"cut at {part:.0%}, zeros")
            for part in (0.05, 0.6, 0.9)
        ),
        pytest.param(cut(JPEG, 0.6, bytes(200_000)), id="zeros for all that is missing"),
        pytest.param(cut(in_one_segment(JPEG), 0.6, bytes(200_000)), id="zeros, tables in one segment"),
        pytest.param(cut(JPEG, 0.6, b"\xff" * 9000), id="padded with ones"),
        pytest.param(cut(JPEG, 0.5, bytes(200)) + JPEG[-9000:], id="zeros in the middle"),
        pytest.param(cut(JPEG, 0.5, b"\xff\xc4\0\2") + JPEG[-9000:], id="a marker in the middle"),
        pytest.param(progressive(-1), id="progressive, its last scan missing"),
        pytest.param(progressive(-4), id="progressive, four scans missing"),
        pytest.param(jpeg_in_three_scans(PHOTO.convert("L"))[:-900] + b"\xff\xd9", id="a colour missing"),
    ],
)
def test_a_jpeg_that_was_cut(data: bytes) -> None:
    if data.count(b"\xff\xda") == 3:
        data = data[: data.rindex(b"\xff\xda")] + b"\xff\xd9"
    assert refused(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved(PHOTO, "JPEG"), id="baseline"),
        pytest.param(saved(PHOTO, "JPEG", progressive=True), id="progressive"),
        pytest.param(in_one_segment(saved(PHOTO, "JPEG")), id="its tables in one segment"),
        pytest.param(saved(PHOTO.convert("L"), "JPEG", optimize=True), id="gray, optimised"),
        pytest.param(saved(PHOTO.convert("CMYK"), "JPEG", progressive=True), id="CMYK, progressive"),
        pytest.param(saved(PHOTO, "JPEG", restart_marker_blocks=1), id="a restart for each block"),
        pytest.param(
            saved(PHOTO, "JPEG", restart_marker_rows=1, progressive=True), id="restarts, progressive"
        ),
        pytest.param(saved(PHOTO, "JPEG")[:-2], id="only its end marker missing"),
        pytest.param(saved(PHOTO, "JPEG") + bytes(5000), id="zeros behind it"),
        pytest.param(jpeg_in_three_scans(PHOTO.convert("L")), id="a scan for each colour"),
        pytest.param(
            saved(Image.new("L", (800, 800), 255), "JPEG", optimize=True), id="blank, coded by zeros"
        ),
        pytest.param(saved(Image.new("RGB", (800, 800), "white"), "JPEG"), id="blank"),
        pytest.param(
            saved(Image.linear_gradient("L").resize((800, 800)), "JPEG", optimize=True), id="gradient"
        ),
    ],
)
def test_a_jpeg_that_is_whole(data: bytes) -> None:
    with Image.open(io.BytesIO(data + b"\xff\xd9")) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(pixels(data), expected)


def with_bad_checksum(kind: bytes, body: bytes) -> bytes:
    return chunks_before_pixels(saved(PHOTO, "PNG"), png_chunk(kind, body)[:-1] + b"?")


NOTE = b"key\0" + b"note " * 500_000


@pytest.mark.parametrize(
    "data",
    [
        *(
            pytest.param(with_bad_checksum(kind, b"a\0b"), id=kind.decode())
            for kind in (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"prVt")
        ),
        pytest.param(
            chunks_before_pixels(saved(PHOTO, "PNG"), png_chunk(b"tEXt", NOTE)), id="a note of 2 MB"
        ),
        pytest.param(
            chunks_before_pixels(saved(PHOTO, "PNG"), png_chunk(b"zTXt", b"key\0\0" + zlib.compress(NOTE))),
            id="a packed note of 2 MB",
        ),
        pytest.param(
            chunks_before_pixels(
                saved(PHOTO, "PNG"), *[png_chunk(b"zTXt", b"key\0\0" + zlib.compress(NOTE))] * 50
            ),
            id="packed notes of 125 MB",
        ),
        pytest.param(chunks_before_pixels(saved(PHOTO, "PNG"), png_chunk(b"gAMA", b"")), id="an empty gAMA"),
    ],
)
def test_png_chunks_without_pixels_do_not_matter(data: bytes) -> None:
    np.testing.assert_array_equal(pixels(data), RGB)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"])
def test_png_chunks_of_pixels_do(kind: bytes) -> None:
    data = saved(PHOTO.quantize(16), "PNG", transparency=3)
    at = data.index(kind)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    assert not refused(data)
    assert refused(data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :])
    for size in range(8, len(data), 97):
        with pytest.raises(SegmentError):
            picture_of(data[:size])


def test_an_unknown_critical_png_chunk() -> None:
    assert refused(chunks_before_pixels(saved(PHOTO, "PNG"), png_chunk(b"QQQQ", b"")))


WIDE = GRAY.astype(np.uint16) * 257


def twelve_bits() -> bytes:
    samples = (GRAY.astype(np.uint32) * 4095 // 255).reshape(-1, 2)
    packed = np.stack(
        [samples[:, 0] >> 4, (samples[:, 0] & 15) << 4 | samples[:, 1] >> 8, samples[:, 1] & 255], 1
    )
    return packed.astype(np.uint8).tobytes()


WIDE_TIFFS: dict[str, Callable[[], bytes]] = {}
for _order in "<>":
    for _big in (False, True):
        _name = f"{'BigTIFF' if _big else 'TIFF'} {'II' if _order == '<' else 'MM'}"
        WIDE_TIFFS |= {
            f"{_name} 12 bits": lambda order=_order, big=_big: tiff_of(  # type: ignore[misc]
                WIDTH, HEIGHT, {258: (3, (12,))}, twelve_bits(), order, big
            ),
            f"{_name} 16 bits": lambda order=_order, big=_big: tiff_of(  # type: ignore[misc]
                WIDTH, HEIGHT, {258: (3, (16,))}, WIDE.astype(order + "u2").tobytes(), order, big
            ),
            f"{_name} 16 bits, white is 0": lambda order=_order, big=_big: tiff_of(  # type: ignore[misc]
                WIDTH,
                HEIGHT,
                {258: (3, (16,)), 262: (3, (0,))},
                (65_535 - WIDE).astype(order + "u2").tobytes(),
                order,
                big,
            ),
            f"{_name} 8 bits, white is 0": lambda order=_order, big=_big: tiff_of(  # type: ignore[misc]
                WIDTH, HEIGHT, {262: (3, (0,))}, (255 - GRAY).tobytes(), order, big
            ),
            f"{_name} floats": lambda order=_order, big=_big: tiff_of(  # type: ignore[misc]
                WIDTH,
                HEIGHT,
                {258: (3, (32,)), 339: (3, (3,))},
                (GRAY / 255).astype(order + "f4").tobytes(),
                order,
                big,
            ),
            f"{_name} floats, white is 0": lambda order=_order, big=_big: tiff_of(  # type: ignore[misc]
                WIDTH,
                HEIGHT,
                {258: (3, (32,)), 262: (3, (0,)), 339: (3, (3,))},
                (1 - GRAY / 255).astype(order + "f4").tobytes(),
                order,
                big,
            ),
        }


@pytest.mark.parametrize("make", WIDE_TIFFS.values(), ids=WIDE_TIFFS)
def test_wide_tiffs(make: Callable[[], bytes]) -> None:
    assert np.abs(gray_of(make()).astype(int) - GRAY).max() <= 1


@pytest.mark.parametrize(
    "kind", [name.partition("II")[2] for name in WIDE_TIFFS if name.startswith("TIFF II")]
)
def test_both_byte_orders_are_the_same_picture(kind: str) -> None:
    if kind == " 16 bits":
        levels = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 6
        tags = {258: (3, (16,))}
        little, big = (
            tiff_of(WIDTH, HEIGHT, tags, levels.astype(order + "u2").tobytes(), order) for order in "<>"
        )
    else:
        little, big = WIDE_TIFFS[f"TIFF II{kind}"](), WIDE_TIFFS[f"TIFF MM{kind}"]()
    np.testing.assert_array_equal(pixels(little), pixels(big))


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e20, -9999.0])
@pytest.mark.parametrize("highest", [1.0, 255.0, 65_535.0])
def test_samples_that_stand_for_none_are_black(highest: float, nothing: float) -> None:
    values = (GRAY / 255 * highest).astype(np.float32)
    values[10:25] = nothing
    found = gray_of(saved(Image.fromarray(values), "TIFF"))
    assert found[10:25].max() == 0
    rest = np.r_[0:10, 25:HEIGHT]
    assert np.abs(found[rest].astype(int) - GRAY[rest]).max() <= 1


def test_a_no_data_value_that_the_file_names() -> None:
    values = WIDE.astype(np.float32)
    values[10:25] = 77_777
    tags = {258: (3, (32,)), 339: (3, (3,)), 42113: (2, tuple(b"77777\0"))}
    found = gray_of(tiff_of(WIDTH, HEIGHT, tags, values.astype("<f4").tobytes()))
    assert found[10:25].max() == 0
    assert np.abs(found[30:].astype(int) - GRAY[30:]).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_gray(bits: int) -> None:
    levels = (GRAY >> (8 - min(bits, 8))).astype(np.uint16)
    if bits == 16:
        levels = (
            levels * 256 + np.arange(WIDTH, dtype=np.uint16) % 2
        )  # neighbours that differ in the low byte
    key = int(levels[40, 61])
    if bits == 16:
        stored = levels.astype(">u2").tobytes()
    else:
        each = np.unpackbits(levels.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :].reshape(HEIGHT, -1)
        stored = np.packbits(each, axis=1).tobytes()
    data = png(
        WIDTH,
        HEIGHT,
        bits=bits,
        colour_type=0,
        pixels=stored,
        before=[png_chunk(b"tRNS", struct.pack(">H", key))],
    )
    np.testing.assert_array_equal(pixels(data)[..., 3] == 0, levels == key)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour(bits: int) -> None:
    samples = RGB.astype(np.uint16)
    if bits == 16:
        samples = samples * 256 + (np.arange(WIDTH, dtype=np.uint16) % 2)[:, None]
    key = samples[40, 61]
    stored = samples.astype(">u2" if bits == 16 else np.uint8).tobytes()
    chunk = png_chunk(b"tRNS", struct.pack(">HHH", *key))
    found = pixels(png(WIDTH, HEIGHT, bits=bits, colour_type=2, pixels=stored, before=[chunk]))
    np.testing.assert_array_equal(found[..., 3] == 0, (samples == key).all(2))
    np.testing.assert_array_equal(found[..., :3], RGB)


@pytest.mark.parametrize("transparent", [False, True])
def test_a_frame_smaller_than_its_screen(transparent: bool) -> None:
    frame = PHOTO.crop((0, 0, 60, 50)).quantize(64)
    data = bytearray(saved(frame, "GIF", **({"transparency": 0} if transparent else {})))
    at = data.index(b",\0\0\0\0")
    struct.pack_into("<HH", data, 6, WIDTH, HEIGHT)
    struct.pack_into("<HH", data, at + 1, 20, 30)
    found = pixels(bytes(data))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[30:80, 20:80] = True
    assert found[~inside][:, 3].max() == 0
    expected = np.asarray(frame) != 0 if transparent else np.ones((50, 60), bool)
    np.testing.assert_array_equal(found[30:80, 20:80, 3] == 255, expected)
    np.testing.assert_array_equal(
        found[30:80, 20:80, :3][expected], np.asarray(frame.convert("RGB"))[expected]
    )


@pytest.mark.parametrize("opaque", [True, False])
def test_a_webp_frame_smaller_than_its_canvas(opaque: bool) -> None:
    frame = PHOTO.crop((0, 0, 60, 50)).convert("RGB" if opaque else "RGBA")
    if not opaque:
        frame.putalpha(Image.linear_gradient("L").resize((60, 50)))
    image = saved(frame, "WEBP", lossless=True, exact=True)
    kinds = {b"VP8L", b"ALPH", b"VP8 "}
    body, at = b"", 12
    while at < len(image):
        size = 8 + int.from_bytes(image[at + 4 : at + 8], "little")
        body += image[at : at + size + size % 2] if image[at : at + 4] in kinds else b""
        at += size + size % 2

    def three(*values: int) -> bytes:
        return b"".join(value.to_bytes(3, "little") for value in values)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content

    flags = 0x02 if opaque else 0x12
    chunks = chunk(b"VP8X", bytes([flags, 0, 0, 0]) + three(WIDTH - 1, HEIGHT - 1)) + chunk(b"ANIM", bytes(6))
    for left, top in ((20, 30), (0, 0)):
        place = three(left // 2, top // 2, 59, 49, 100)
        chunks += chunk(b"ANMF", place + b"\0" + body)
    found = pixels(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[30:80, 20:80] = True
    assert found[~inside][:, 3].max() == 0
    expected = np.asarray(frame.convert("RGBA"))
    np.testing.assert_array_equal(found[30:80, 20:80, 3], expected[..., 3])
    shown = expected[..., 3] > 0
    np.testing.assert_array_equal(found[30:80, 20:80][shown], expected[shown])


def test_a_frame_larger_than_its_screen() -> None:
    data = bytearray(saved(PHOTO.quantize(64), "GIF"))
    struct.pack_into("<HH", data, 6, 60, 50)
    assert pixels(bytes(data)).shape == (HEIGHT, WIDTH, 3)


def run_length(bits: int, rows: list[bytes], top_down: bool = False) -> bytes:
    palette = b"".join(bytes([level, 0, 0, 0]) for level in range(1 << bits))
    body = b"".join(rows)
    header = struct.pack(
        "<IiiHHIIiiII", 40, 52, -50 if top_down else 50, 1, bits, 3 - bits // 4, len(body), 0, 0, 0, 0
    )
    offset = 54 + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + palette + body


END_OF_LINE, END = b"\0\0", b"\0\1"


@pytest.mark.parametrize(
    ("bits", "row", "expected"),
    [
        (8, b"\x34\7" + END_OF_LINE, [7] * 52),
        (8, b"\x32\7\0\x03abc\0" + END_OF_LINE, [7] * 50 + [97, 98]),
        (8, b"\x03\7" + END_OF_LINE, [7] * 3 + [0] * 49),
        (8, b"\x03\7\0\2\x0a\0\x02\x09" + END_OF_LINE, [7] * 3 + [0] * 10 + [9] * 2 + [0] * 37),
        (4, b"\x34\x12" + END_OF_LINE, [1, 2] * 26),
        (4, b"\x03\x12\0\x05\x34\x56\x70\0" + END_OF_LINE, [1, 2, 1, 3, 4, 5, 6, 7] + [0] * 44),
        (8, b"\xff\7" + END_OF_LINE, [7] * 52),
        (8, b"\x32\7\0\2\x05\0\0\x08abcdefgh" + END_OF_LINE, [7] * 50 + [0] * 2),
        (8, b"\x32\7\0\2\x05\0\x20\x09" + END_OF_LINE, [7] * 50 + [0] * 2),
        (4, b"\x34\0" + END_OF_LINE, [0] * 52),
        (8, b"".join(bytes([1, level]) for level in range(200)) + END_OF_LINE, list(range(52))),
        (8, bytes([0, 2, 0, 0, 1, 9]) * 52 + END_OF_LINE, [9] * 52),
        (4, b"\x03\x12" * 17 + b"\x01\x34" * 200 + END_OF_LINE, [1, 2, 1] * 17 + [3]),
    ],
)
def test_run_length_bitmaps(bits: int, row: bytes, expected: list[int]) -> None:
    found = pixels(run_length(bits, [row] * 50 + [END]))
    assert found[..., 2].tolist() == [expected] * 50


def test_rows_of_a_run_length_bitmap_begin_below() -> None:
    rows = [bytes([52, row + 1]) + END_OF_LINE for row in range(50)]
    assert pixels(run_length(8, [*rows, END]))[:, 0, 2].tolist() == list(range(50, 0, -1))
    assert pixels(run_length(8, [*rows[:20], END]))[:, 0, 2].tolist() == [0] * 30 + list(range(20, 0, -1))
    assert refused(run_length(8, rows[:20]))


def test_literals_of_a_run_length_bitmap_that_end_early() -> None:
    rows = [bytes([52, 7]) + END_OF_LINE] * 49
    literal = b"\0\x34" + bytes(range(52))
    assert pixels(run_length(8, [*rows, literal]))[0, :, 2].tolist() == list(range(52))
    assert refused(run_length(8, [*rows, literal[:-1]]))


def test_tiffs_of_every_orientation_keep_one_copy() -> None:
    """Pillow would turn them on a second one."""
    data = tiff_of(WIDTH, HEIGHT, {274: (3, (6,))}, GRAY.tobytes())
    assert open_source(data).orientation == 6
    np.testing.assert_array_equal(pixels(data)[..., 0], np.rot90(GRAY, -1))


CASES = {
    "01_bmp_v4_alpha0.bmp": "reference.png",
    "02_icc_named_srgb_linear.png": "26_gama_1.png",
    "02_icc_other_name_linear.png": "26_gama_1.png",
    "06_raw.dng": None,
    "07_cut_and_capped.jpg": None,
    "07_zero_filled_tail.jpg": None,
    "07_zeros_in_the_middle.jpg": None,
    "08_bad_crc_iccp.png": "reference.png",
    "08_bad_crc_text.png": "reference.png",
    "09_icc_2mib.png": "reference.png",
    "09_text_2mib.png": "reference.png",
    "10_2000_scans.jpg": None,
    "11_0rgb.ico": "11_reference.png",
    "20_12bit.tif": "20_reference.png",
    "20_16bit_min_is_white.tif": "20_reference.png",
    "20_4_samples_no_extrasamples.tif": "reference.png",
}


@pytest.mark.parametrize("name", CASES)
def test_cases_that_users_met(name: str, shared_data: Path) -> None:
    folder, reference = shared_data / "cases", CASES[name]
    data = (folder / name).read_bytes()
    if reference is None:
        assert refused(data)
        return
    found, expected = pixels(data).astype(int), pixels((folder / reference).read_bytes()).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


def test_cases_that_differ_in_part(shared_data: Path) -> None:
    folder = shared_data / "cases"
    reference = pixels((folder / "20_reference.png").read_bytes()).astype(int)
    found = pixels((folder / "20_float_nan.tif").read_bytes()).astype(int)
    black = found.max((1, 2)) == 0
    assert black.sum() == 15
    assert np.abs(found - reference)[~black].max() <= 1
    assert pixels((folder / "21_partial_frame.gif").read_bytes())[:40, :90, 3].max() == 0
    assert (folder / "reference.png").read_bytes()[:8] == PNG_MAGIC


def test_odd_files_and_the_pictures_they_show(shared_data: Path) -> None:
    folder = shared_data / "cases2"
    references = sorted(folder.glob("*.right.png"))
    assert references
    for reference in references:
        found = Image.fromarray(pixels((folder / reference.name.removesuffix(".right.png")).read_bytes()))
        expected = Image.fromarray(pixels(reference.read_bytes()))
        one, other = (np.asarray(image.convert("RGBA")).astype(int) for image in (found, expected))
        assert np.abs(one - other)[..., 3].mean() <= 1, reference.name
        opaque = (one[..., 3] == 255) & (other[..., 3] == 255)
        assert np.abs(one - other)[opaque].max(initial=0) <= 4, reference.name
