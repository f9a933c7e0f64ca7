"""Bitmaps of every header, every depth and masks of any shape, against the pixels they were made of."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_code.errors import ImageFormatInvalid, SegmentError
from shared_code.picture.decoding import decode
from shared_code.picture.header import open_source
from tests.shared_code.picture.samples import SRGB_PRIMARIES, icc_profile, saved
from tests.support.photos import photo

WIDTH, HEIGHT = 61, 53
RGB = np.asarray(photo().resize((WIDTH, HEIGHT)).convert("RGB"))
ALPHA = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
RGBA = np.dstack([RGB, ALPHA])
DEFAULT = {16: (0x7C00, 0x3E0, 0x1F, 0), 24: (0xFF0000, 0xFF00, 0xFF, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}


def bitmap(
    rows: NDArray[np.uint8],
    bits: int,
    *,
    size: int = 40,
    compression: int = 0,
    masks: Sequence[int] = (0, 0, 0, 0),
    palette: bytes = b"",
    colours: int = 0,
    top_down: bool = False,
    space: bytes = b"BGRs",
    fields: bytes = b"",
    profile: bytes = b"",
    gap: int = 0,
    stated_offset: bool = True,
) -> bytes:
    """A bitmap; `rows` are packed, top row first; `fields` stand behind a V4 header's colour space."""
    stride = (WIDTH * bits + 31) // 32 * 4
    padded = np.pad(rows, ((0, 0), (0, stride - rows.shape[1])))
    body = (padded if top_down else padded[::-1]).tobytes()
    if size == 12:
        header = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        high = -HEIGHT if top_down else HEIGHT
        header = struct.pack(
            "<IiiHHIIiiII", size, WIDTH, high, 1, bits, compression, len(body), 0, 0, colours, 0
        )
        all_masks = struct.pack("<IIII", *masks)
        count = {3: 3, 6: 4}.get(compression, 0)
        if size in (52, 56, 108, 124):
            header = (header + all_masks[: size - 40] + space + fields).ljust(size, b"\0")[:size]
            header += all_masks[12:] if (size, count) == (52, 4) else b""
        elif size == 40:
            header += all_masks[: 4 * count]
        else:
            header = header.ljust(size, b"\0")[:size]
    offset = 14 + len(header) + len(palette) + gap
    if profile:
        place = struct.pack("<II", offset - 14 + len(body), len(profile))
        header = header[:112] + place + header[120:]
    total = offset + len(body) + len(profile)
    file_header = b"BM" + struct.pack("<IHHI", total, 0, 0, offset if stated_offset else 0)
    return file_header + header + palette + bytes(gap) + body + profile


def packed(levels: NDArray[np.uint8], masks: Sequence[int], bits: int) -> NDArray[np.uint8]:
    """uint8 (rows, columns, channels) behind masks, and as bytes of rows."""
    values = np.zeros(levels.shape[:2], np.uint64)
    for channel, mask in enumerate(masks):
        if mask:
            lowest = mask & -mask
            most = mask // lowest
            values |= ((levels[..., channel].astype(np.uint64) * most + 127) // 255 * lowest).astype(
                np.uint64
            )
    each = values.astype("<u8")[..., None].view(np.uint8)[..., : bits // 8]
    return each.reshape(HEIGHT, -1)


def pixels(data: bytes) -> NDArray[np.uint8]:
    picture = decode(open_source(data), 1)
    return np.asarray(picture.rows(0, picture.height, picture.width, picture.height))


def same(data: bytes, expected: NDArray[np.uint8], masks: Sequence[int]) -> None:
    """Each channel as exact as its mask has levels."""
    found = pixels(data).astype(int)
    assert found.shape == expected.shape
    for channel in range(expected.shape[2]):
        levels = max(1, masks[channel].bit_count())
        assert np.abs(found[..., channel] - expected[..., channel]).max() <= 255 / (2**levels - 1) / 2 + 1


SHAPES = {
    "565": (16, (0xF800, 0x7E0, 0x1F, 0)),
    "565 swapped": (16, (0x1F, 0x7E0, 0xF800, 0)),
    "555": (16, (0x7C00, 0x3E0, 0x1F, 0)),
    "1555": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "5551": (16, (0xF800, 0x7C0, 0x3E, 1)),
    "4444": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "x444": (16, (0xF00, 0xF0, 0xF, 0)),
    "880": (16, (0xFF00, 0xFF, 0, 0)),
    "332": (16, (0xE0, 0x1C, 3, 0)),
    "8888": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "rgba": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    "abgr": (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
    "rgbx": (32, (0xFF000000, 0xFF0000, 0xFF00, 0)),
    "x2rgb10": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
    "a2bgr10": (32, (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000)),
    "11 11 10": (32, (0xFFE00000, 0x1FFC00, 0x3FF, 0)),
    "6 17 5 4": (32, (0xFC000000, 0x3FFFE00, 0x1F0, 0xF)),
}


def expected_of(masks: Sequence[int]) -> NDArray[np.uint8]:
    shown = RGBA if masks[3] else RGB
    return np.where(np.array(masks[: shown.shape[2]]) > 0, shown, 0).astype(np.uint8)


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("size", "compression"), [(40, 3), (40, 6), (52, 3), (52, 6), (56, 3), (108, 3), (124, 3)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_masks(shape: str, size: int, compression: int, top_down: bool) -> None:
    bits, masks = SHAPES[shape]
    holds_alpha = size >= 56 or compression == 6
    stated = masks if holds_alpha else (*masks[:3], 0)
    rows = packed(RGBA, masks, bits)
    data = bitmap(rows, bits, size=size, compression=compression, masks=stated, top_down=top_down)
    same(data, expected_of(stated), stated)


HEADERS = (12, 16, 20, 40, 44, 48, 52, 56, 64, 108, 124)


@pytest.mark.parametrize("stated_offset", [True, False])
@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("size", HEADERS)
def test_colours_without_masks(size: int, bits: int, stated_offset: bool) -> None:
    data = bitmap(packed(RGB, DEFAULT[bits], bits), bits, size=size, stated_offset=stated_offset)
    same(data, RGB, DEFAULT[bits])


@pytest.mark.parametrize("mask", [0x8000, 0xFF000000, 0])
@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("size", [56, 108, 124])
def test_an_alpha_mask_counts_without_the_others(size: int, bits: int, mask: int) -> None:
    shown = mask if mask < 1 << bits and not mask & 0x7FFF and (bits == 16) == (mask == 0x8000) else 0
    masks = (*DEFAULT[bits][:3], shown)
    data = bitmap(packed(RGBA, masks, bits), bits, size=size, masks=(0, 0, 0, shown))
    same(data, expected_of(masks), masks)


@pytest.mark.parametrize("filled", [0, 1])
@pytest.mark.parametrize("compression", [0, 3])
def test_alpha_that_is_never_filled_in(compression: int, filled: int) -> None:
    bits, masks = SHAPES["1555"]
    levels = RGBA.copy()
    levels[..., 3] = 0
    levels[3, 4, 3] = 255 * filled
    found = pixels(bitmap(packed(levels, masks, bits), bits, size=124, compression=compression, masks=masks))
    assert found.shape[2] == 3 + filled
    assert not filled or found[..., 3].sum() == 255


@pytest.mark.parametrize("extra", [0, 1, 250])
@pytest.mark.parametrize("stated_offset", [True, False])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("size", HEADERS)
def test_palettes(size: int, bits: int, stated_offset: bool, extra: int) -> None:
    count = 1 << bits
    indices = np.random.default_rng(bits).integers(0, count, (HEIGHT, WIDTH), np.uint8)
    unpacked = np.unpackbits(indices[..., None], axis=2)[..., 8 - bits :].reshape(HEIGHT, -1)
    rows = np.packbits(unpacked, axis=1)
    stated = size >= 40 and extra > 0
    colours = np.random.default_rng(7).integers(0, 256, (count + (extra if stated else 0), 3), np.uint8)
    entries = colours if size == 12 else np.pad(colours, ((0, 0), (0, 1)))
    data = bitmap(
        rows,
        bits,
        size=size,
        palette=entries[:, [2, 1, 0, *range(3, entries.shape[1])]].tobytes(),
        colours=count + extra if stated else 0,
        stated_offset=stated_offset,
        gap=4 if stated_offset else 0,
    )
    np.testing.assert_array_equal(pixels(data), colours[indices])


def test_an_index_without_a_colour_is_black() -> None:
    rows = np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))
    data = bitmap(rows, 8, palette=bytes([1, 2, 3, 0]) * 50, colours=50)
    found = pixels(data)
    assert (found[:, :50] == (3, 2, 1)).all()
    assert found[:, 50:].max() == 0


LINEAR = icc_profile("RGB", 1.0, SRGB_PRIMARIES)


@pytest.mark.parametrize("bits", [8, 24, 32])
def test_an_embedded_profile(bits: int) -> None:
    options: dict[str, object] = {"size": 124, "space": b"DEBM", "profile": LINEAR}
    if bits == 8:
        gray = np.repeat(RGB[..., :1], 3, 2)
        palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
        data = bitmap(RGB[..., 0].copy(), 8, palette=palette, **options)  # type: ignore[arg-type]
    else:
        gray = RGB
        data = bitmap(packed(RGB, DEFAULT[bits], bits), bits, **options)  # type: ignore[arg-type]
    reference = pixels(saved(Image.fromarray(gray), "PNG", icc_profile=LINEAR))
    np.testing.assert_array_equal(pixels(data), reference)
    assert np.abs(reference.astype(int) - gray).mean() > 20


SRGB_XYZ = ((0.4124, 0.2126, 0.0193), (0.3576, 0.7152, 0.1192), (0.1805, 0.0722, 0.9505))


def calibrated(primaries: Sequence[Sequence[float]], gamma: float) -> bytes:
    ends = [round(part * (1 << 30)) for primary in primaries for part in primary]
    fields = struct.pack("<9i3I", *ends, *[round(gamma * (1 << 16))] * 3)
    return bitmap(packed(RGB, DEFAULT[24], 24), 24, size=108, space=bytes(4), fields=fields)


def test_calibrated_colours() -> None:
    reference = pixels(saved(Image.fromarray(RGB), "PNG", icc_profile=LINEAR))
    assert np.abs(pixels(calibrated(SRGB_XYZ, 1.0)).astype(int) - reference).max() <= 2


@pytest.mark.parametrize(
    ("primaries", "gamma"),
    [(SRGB_XYZ, 2.2), (((0, 0, 0),) * 3, 0), (SRGB_XYZ, 0), (((0, 0, 0),) * 3, 2.2), (((1, 1, 1),) * 3, 2.2)],
)
def test_calibration_that_says_nothing(primaries: Sequence[Sequence[float]], gamma: float) -> None:
    np.testing.assert_array_equal(pixels(calibrated(primaries, gamma)), RGB)


@pytest.mark.parametrize("size", range(8, 130))
def test_headers_of_no_known_size(size: int) -> None:
    if size not in (12, 108, 124) and not 16 <= size <= 64:
        with pytest.raises(ImageFormatInvalid):
            open_source(bitmap(packed(RGB, DEFAULT[24], 24), 24, size=size))


ROWS_24, ROWS_32 = (packed(RGB, DEFAULT[bits], bits) for bits in (24, 32))
REFUSED = {
    "JPEG inside": bitmap(ROWS_24, 24, compression=4),
    "PNG inside": bitmap(ROWS_24, 24, compression=5),
    "OS/2 Huffman": bitmap(ROWS_32[:, :8].copy(), 1, size=64, compression=3),
    "OS/2 run-length of 24 bits": bitmap(ROWS_24, 24, size=64, compression=4),
    "a mask with a hole": bitmap(ROWS_32, 32, compression=3, masks=(0xFF00FF, 0xFF00, 0, 0)),
    "a mask beyond the pixel": bitmap(
        packed(RGB, DEFAULT[16], 16), 16, compression=3, masks=(0xFF0000, 0xFF00, 0xFF, 0)
    ),
    "run-length of 1 bit": bitmap(ROWS_32[:, :8].copy(), 1, compression=1),
    "no bits": bitmap(ROWS_32[:, :0].copy(), 0),
    "3 bits": bitmap(ROWS_32[:, :20].copy(), 3),
    "64 bits": bitmap(ROWS_32, 64),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_not_read(data: bytes) -> None:
    with pytest.raises(ImageFormatInvalid):
        pixels(data)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 24, 32])
def test_a_bitmap_that_ends_early(bits: int) -> None:
    rows = np.full((HEIGHT, (WIDTH * bits + 7) // 8), 7, np.uint8)
    data = bitmap(rows, bits, palette=bytes(4 << bits) if bits <= 8 else b"")
    padding = (WIDTH * bits + 31) // 32 * 4 - rows.shape[1]
    assert pixels(data[: len(data) - padding]).shape == (HEIGHT, WIDTH, 3)
    for size in (len(data) - padding - 1, len(data) // 2, 60, 20):
        with pytest.raises(SegmentError):
            pixels(data[:size])
