"""TIFFs of every layout: each combination of tags gives the pixels it was made of, or E-FORMAT."""

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from shared_code.errors import ImageFormatInvalid, SegmentError
from shared_code.picture.decoding import decode
from shared_code.picture.header import open_source
from shared_code.picture.tiff_samples import READ
from tests.shared_code.picture.samples import jpeg_of, jpeg_segments, saved, tiff_of
from tests.support.hosts import PROJECT
from tests.support.photos import photo

WIDTH, HEIGHT = 75, 61
PHOTO = Image.fromarray(np.asarray(photo().resize((WIDTH, HEIGHT)).convert("RGB")))
RGB = np.asarray(PHOTO)
GRAY = np.asarray(PHOTO.convert("L"))
ALPHA = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
NOISE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB_COLOURS, PALETTE, CMYK, YCBCR, CIE_LAB, ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
NONE, LZW, OLD_JPEG, JPEG, DEFLATE, PACK_BITS = 1, 5, 6, 7, 8, 32773
REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

type Array = NDArray[Any]


def pixels(data: bytes) -> NDArray[np.uint8]:
    picture = decode(open_source(data), 1)
    return np.asarray(picture.rows(0, picture.height, picture.width, picture.height))


def lowest_bits(values: Array, bits: int) -> NDArray[np.uint8]:
    """The digits of numbers (rows, columns) or (columns): 0 or 1, in a row, the highest first."""
    digits = np.unpackbits(values.astype(">u4")[..., None].view(np.uint8), axis=-1)
    return digits[..., 32 - bits :].reshape(*values.shape[:-1], -1)


def lzw(data: bytes) -> bytes:
    """Every byte as it is, in codes of 9 bits, the table cleared before it grows (TIFF 6.0, section 13)."""
    codes: list[int] = []
    for at in range(0, len(data), 200):
        codes += [256, *data[at : at + 200]]
    return np.packbits(lowest_bits(np.array([*codes, 257]), 9)).tobytes()


def pack_bits(data: bytes) -> bytes:
    parts = (data[at : at + 128] for at in range(0, len(data), 128))
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


PACKERS: dict[int, Callable[[bytes], bytes]] = {
    NONE: bytes,
    LZW: lzw,
    DEFLATE: zlib.compress,
    PACK_BITS: pack_bits,
}


def packed_rows(values: Array, bits: int, order: str) -> list[bytes]:
    """Rows of samples (rows, samples) as TIFF stores them."""
    if values.dtype.kind == "f" or bits in (8, 16, 32, 64):
        return [row.tobytes() for row in values.astype(order + values.dtype.str[1:])]
    if bits == 24:
        parts = values.astype(order + "u4").view(np.uint8).reshape(len(values), -1, 4)
        return [row.tobytes() for row in (parts[..., :3] if order == "<" else parts[..., 1:])]
    return [row.tobytes() for row in np.packbits(lowest_bits(values, bits), axis=-1)]


def differences(chunk: Array, predictor: int) -> Array:
    """Rows (rows, columns, samples) as the predictor leaves them; of floats, the bytes (rows, bytes)."""
    if predictor == 2:
        words = chunk.view(f"u{chunk.itemsize}").copy()
        words[:, 1:] -= chunk.view(f"u{chunk.itemsize}")[:, :-1]
        return words
    rows, columns, samples = chunk.shape
    big = chunk.astype(chunk.dtype.newbyteorder(">")).view(np.uint8).reshape(rows, columns * samples, -1)
    planes = np.ascontiguousarray(big.transpose(0, 2, 1)).reshape(rows, -1)
    found = planes.copy()
    found[:, samples:] -= planes[:, :-samples]
    return found


def layout(
    values: Array,
    bits: int,
    photometric: int | None,
    *,
    extra: Sequence[int] | None = None,
    planar: bool = False,
    compression: int = NONE,
    order: str = "<",
    big: bool = False,
    rows: int = HEIGHT,
    tile: tuple[int, int] | None = None,
    predictor: int = 1,
    fill_order: int = 1,
    form: int = 1,
    tags: Mapping[int, tuple[int, Sequence[int]]] | None = None,
) -> bytes:
    """A TIFF of samples (rows, columns, samples)."""
    values = values.reshape(HEIGHT, WIDTH, -1)
    count = values.shape[2]
    body, offsets, sizes = b"", [], []
    for plane in np.split(values, count, axis=2) if planar else [values]:
        across, down = tile or (WIDTH, rows)
        for top in range(0, HEIGHT, down):
            for left in range(0, WIDTH, across):
                chunk = plane[top : top + down, left : left + across]
                if tile:
                    missing = ((0, down - chunk.shape[0]), (0, across - chunk.shape[1]), (0, 0))
                    chunk = np.pad(chunk, missing, mode="edge")
                chunk = differences(np.ascontiguousarray(chunk), predictor) if predictor > 1 else chunk
                stored = b"".join(packed_rows(chunk.reshape(len(chunk), -1), bits, order))
                data = PACKERS[compression](stored)
                offsets.append((16 if big else 8) + len(body))
                sizes.append(len(data))
                body += data.translate(REVERSED) if fill_order == 2 else data
    all_tags: dict[int, tuple[int, Sequence[int]]] = {
        258: (3, (bits,) * count),
        259: (3, (compression,)),
        266: (3, (fill_order,)),
        277: (3, (count,)),
        284: (3, (1 + planar,)),
        317: (3, (predictor,)),
        339: (3, (form,) * count),
    }
    all_tags |= {262: (3, (photometric,))} if photometric is not None else {}
    all_tags |= {338: (3, extra)} if extra else {}
    if tile:
        all_tags |= {322: (4, tile[:1]), 323: (4, tile[1:]), 324: (4, offsets), 325: (4, sizes)}
    else:
        all_tags |= {273: (4, offsets), 278: (4, (rows,)), 279: (4, sizes)}
    data = tiff_of(WIDTH, HEIGHT, all_tags | dict(tags or {}), body, order, big)
    return data if photometric is not None else without(data, 262, order)


def without(data: bytes, tag: int, order: str = "<") -> bytes:
    """A tag renamed to a private one, in its place."""
    return data.replace(struct.pack(order + "HH", tag, 3), struct.pack(order + "HH", 0x8000 + tag, 3), 1)


def scaled(levels: Array, bits: int) -> Array:
    """0..255 as unsigned numbers of `bits`, spread so that each level comes back."""
    most = (1 << bits) - 1
    dtype = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32
    return (levels.astype(np.uint64) * most // 255).astype(dtype)


LAYOUTS: dict[str, dict[str, Any]] = {
    "strip": {},
    "strips": {"rows": 7},
    "rows": {"rows": 1},
    "tiles": {"tile": (32, 16)},
    "one tile": {"tile": (96, 80)},
}
COLOURS: dict[str, tuple[int, Sequence[int] | None, Sequence[Array]]] = {
    "gray": (BLACK_IS_ZERO, None, [GRAY]),
    "gray, white is 0": (WHITE_IS_ZERO, None, [255 - GRAY]),
    "gray and alpha": (BLACK_IS_ZERO, [2], [GRAY, ALPHA]),
    "gray, white is 0, and alpha": (WHITE_IS_ZERO, [2], [255 - GRAY, ALPHA]),
    "gray and spot": (BLACK_IS_ZERO, [0], [GRAY, NOISE]),
    "gray, alpha and spots": (BLACK_IS_ZERO, [2, 0, 0], [GRAY, ALPHA, NOISE, NOISE]),
    "RGB": (RGB_COLOURS, None, [*RGB.transpose(2, 0, 1)]),
    "RGB and alpha": (RGB_COLOURS, [2], [*RGB.transpose(2, 0, 1), ALPHA]),
    "RGB and spot": (RGB_COLOURS, [0], [*RGB.transpose(2, 0, 1), NOISE]),
    "RGB, alpha and spot": (RGB_COLOURS, [2, 0], [*RGB.transpose(2, 0, 1), ALPHA, NOISE]),
    "RGB, spot and alpha": (RGB_COLOURS, [0, 2], [*RGB.transpose(2, 0, 1), NOISE, ALPHA]),
}
KINDS = {"none": NONE, "LZW": LZW, "deflate": DEFLATE, "PackBits": PACK_BITS}


def expected_of(colours: str) -> Array:
    shown = RGB if colours.startswith("RGB") else np.dstack([GRAY] * 3)
    return np.dstack([shown, ALPHA]) if "alpha" in colours else shown


def close(data: bytes, expected: Array, levels: float = 1, what: object = None) -> None:
    """`what` the file is, where a test reads several."""
    found = pixels(data).astype(int)
    assert found.shape == expected.shape, what
    opaque = found[..., 3] > 0 if found.shape[2] == 4 else np.ones(found.shape[:2], bool)
    assert np.abs(found - expected)[opaque].max() <= levels, what
    assert found.shape[2] == 3 or np.abs(found - expected)[..., 3].max() <= levels, what


def each(**choices: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All combinations of options, by their names."""
    return (dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values()))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("form", LAYOUTS)
@pytest.mark.parametrize("colours", COLOURS)
def test_layouts(colours: str, form: str, bits: int) -> None:
    photometric, extra, channels = COLOURS[colours]
    samples = np.dstack([scaled(channel, bits) for channel in channels])
    for options in each(compression=KINDS.values(), planar=(False, True), order="<>"):
        data = layout(samples, bits, photometric, extra=extra, **LAYOUTS[form], **options)
        close(data, expected_of(colours), 0, options)


@pytest.mark.parametrize("bits", [*range(1, 17), 24, 32])
@pytest.mark.parametrize("colours", ["gray", "gray, white is 0", "gray and alpha", "RGB", "RGB and alpha"])
@pytest.mark.parametrize("form", ["strips", "tiles"])
def test_depths(colours: str, bits: int, form: str) -> None:
    photometric, extra, channels = COLOURS[colours]
    samples = np.dstack([scaled(channel, bits) for channel in channels])
    for options in each(planar=(False, True), order="<>"):
        big = options["order"] == ">"
        data = layout(samples, bits, photometric, extra=extra, big=big, **LAYOUTS[form], **options)
        close(data, expected_of(colours), 1 if bits > 7 else 255 / (2**bits - 1), options)


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
@pytest.mark.parametrize("colours", ["gray", "RGB", "RGB and alpha"])
def test_bits_in_reversed_order(colours: str, bits: int) -> None:
    photometric, extra, channels = COLOURS[colours]
    samples = np.dstack([scaled(channel, bits) for channel in channels])
    for kind, compression in KINDS.items():
        data = layout(samples, bits, photometric, extra=extra, compression=compression, fill_order=2, rows=9)
        close(data, expected_of(colours), 1 if bits > 7 else 255 / (2**bits - 1), kind)


@pytest.mark.parametrize("form", ["strips", "tiles"])
@pytest.mark.parametrize("colours", ["gray", "RGB", "RGB and alpha", "RGB, alpha and spot"])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_differences(bits: int, colours: str, form: str) -> None:
    photometric, extra, channels = COLOURS[colours]
    samples = np.dstack([scaled(channel, bits) for channel in channels])
    for options in each(compression=(LZW, DEFLATE), planar=(False, True), order="<>"):
        data = layout(samples, bits, photometric, extra=extra, predictor=2, **LAYOUTS[form], **options)
        close(data, expected_of(colours), 1, options)


@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("colours", ["gray", "gray, white is 0", "RGB", "RGB and alpha"])
@pytest.mark.parametrize(
    ("bits", "dtype", "highest"),
    [
        *((16, np.float16, highest) for highest in (1, 255)),
        *((32, np.float32, highest) for highest in (1, 255, 65_535)),
        *((64, np.float64, highest) for highest in (1, 255, 65_535)),
    ],
)
def test_floats(highest: int, bits: int, dtype: type, colours: str, predictor: int) -> None:
    photometric, extra, channels = COLOURS[colours]
    samples: Array = np.dstack([channel / 255 * highest for channel in channels]).astype(dtype)
    compression = DEFLATE if predictor > 1 else NONE
    for options in each(planar=(False, True), order="<>", tile=(None, LAYOUTS["tiles"]["tile"])):
        options |= {"rows": 7, "form": 3, "predictor": predictor, "compression": compression}
        close(layout(samples, bits, photometric, extra=extra, **options), expected_of(colours), 1, options)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.int8), (16, np.int16), (32, np.int32)])
@pytest.mark.parametrize("colours", ["gray", "RGB"])
def test_signed_samples_below_0_are_black(colours: str, bits: int, dtype: type) -> None:
    photometric, _, channels = COLOURS[colours]
    samples: Array = np.dstack([channel.astype(int) // 2 - 20 for channel in channels]).astype(dtype)
    for order in "<>":
        close(
            layout(samples, bits, photometric, form=2, order=order),
            np.clip(expected_of(colours) // 2 - 20.0, 0, 255),
        )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colours", ["gray", "RGB"])
def test_premultiplied_alpha(colours: str, kind: str, bits: int) -> None:
    photometric, _, channels = COLOURS[colours]
    most = (1 << bits) - 1
    alpha = scaled(ALPHA, bits)
    stored = [
        (scaled(channel, bits).astype(np.uint64) * alpha // most).astype(alpha.dtype) for channel in channels
    ]
    samples = np.dstack([*stored, alpha])
    expected = np.dstack([expected_of(colours), ALPHA])
    visible = ALPHA > 200
    for options in each(planar=(False, True), order="<>"):
        found = pixels(
            layout(samples, bits, photometric, extra=[1], compression=KINDS[kind], **options)
        ).astype(int)
        np.testing.assert_array_equal(found[..., 3], ALPHA, str(options))
        assert np.abs(found - expected)[visible].max() <= 2, options


MAP = np.random.default_rng(3).integers(0, 256, (3, 256))


@pytest.mark.parametrize("scale", [1, 256, 257])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("alpha", ["none", "alpha", "planar", "spot"])
def test_palettes(alpha: str, bits: int, scale: int) -> None:
    count = 1 << bits
    indices = np.random.default_rng(4).integers(0, min(count, 256), (HEIGHT, WIDTH)).astype(np.uint8)
    colours = np.zeros((3, count), int)
    colours[:, :256] = MAP[:, : min(count, 256)]
    colours[:, 0] = 255 if scale == 1 else 3  # one of 8 bits must be telling
    stored = indices.astype(np.uint16 if bits == 16 else np.uint8)
    second = {"none": [], "spot": [scaled(NOISE, bits)]}.get(alpha, [scaled(ALPHA, bits)])
    for compression in (NONE, DEFLATE):
        data = layout(
            np.dstack([stored, *second]),
            bits,
            PALETTE,
            extra={"none": None, "spot": [0]}.get(alpha, [2]),
            planar=alpha == "planar",
            compression=compression,
            tags={320: (3, (colours * scale).reshape(-1).tolist())},
        )
        found = pixels(data)
        np.testing.assert_array_equal(found[..., :3], colours.T[indices], str(compression))
        assert found.shape[2] == (4 if alpha in ("alpha", "planar") else 3), compression


def test_a_palette_that_is_too_short() -> None:
    indices = np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))
    found = pixels(layout(indices, 8, PALETTE, tags={320: (3, [7 * 257] * 3 * 50)}))
    assert (found[:, :50] == 7).all()
    assert found[:, 50:].max() == 0


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("extra", [None, [0], [2], [2, 0]])
def test_cmyk(extra: Sequence[int] | None, bits: int) -> None:
    inks = np.asarray(PHOTO.convert("CMYK")).astype(int)
    inks[..., 3] = ALPHA // 3
    more = [ALPHA if meaning else NOISE for meaning in extra or []]
    samples = scaled(np.dstack([inks, *more]), bits)
    expected = np.asarray(
        Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.astype(np.uint8).tobytes()).convert("RGB")
    )
    if extra and 2 in extra:
        expected = np.dstack([expected, ALPHA])
    for options in each(planar=(False, True), order="<>", compression=KINDS.values()):
        close(layout(samples, bits, CMYK, extra=extra, rows=9, **options), expected, 1, options)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("bits", "photometric"), [(8, CIE_LAB), (16, CIE_LAB), (8, ICC_LAB), (16, ICC_LAB)])
def test_lab(bits: int, photometric: int, planar: bool, alpha: bool) -> None:
    lightness = np.tile(np.linspace(0, 100, WIDTH), (HEIGHT, 1))
    a, b = (np.tile(np.linspace(-20, 20, HEIGHT)[:, None], (1, WIDTH)) * sign for sign in (1, -1))
    if photometric == CIE_LAB:
        white, step, offset = (255, 1, 0) if bits == 8 else (65_535, 256, 0)
    else:
        white, step, offset = (255, 1, 128) if bits == 8 else (65_280, 256, 128)
    hues = [np.round((hue + offset) * step).astype(np.int64).astype(f"u{bits // 8}") for hue in (a, b)]
    light = np.round(lightness / 100 * white).astype(f"u{bits // 8}")
    samples = np.dstack([light, *hues, *([scaled(ALPHA, bits)] if alpha else [])])
    expected = srgb_of(np.stack([lightness, a, b], axis=2))
    inside = ((expected > 20) & (expected < 250)).all(2)
    for order in "<>":
        data = layout(samples, bits, photometric, extra=[2] if alpha else None, planar=planar, order=order)
        found = pixels(data).astype(int)
        assert found.shape[2] == 3 + alpha, order
        assert np.abs(found[..., :3] - expected)[inside].max() <= 4, order
        assert np.abs(found[..., :3] - expected)[inside].mean() < 1, order


def srgb_of(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of D50 to sRGB by the formulas, 0..255 (CIE 15; Bradford; IEC 61966-2-1)."""
    y = (lab[..., 0] + 16) / 116
    parts = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=2)
    xyz = np.where(parts > 6 / 29, parts**3, 3 * (6 / 29) ** 2 * (parts - 4 / 29)) * (0.9642, 1, 0.8249)
    to_rgb = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    light = np.clip(xyz @ np.array(to_rgb).T, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255, np.float64)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (1, 2)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [HEIGHT, 8])
def test_chunky_ycbcr(rows: int, kind: str, subsampling: tuple[int, int]) -> None:
    across, down = subsampling
    smooth = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    colours = np.asarray(Image.merge("RGB", [smooth, smooth.rotate(180), smooth]).convert("YCbCr"))
    body, offsets, sizes = b"", [], []
    for top in range(0, HEIGHT, rows):
        strip = colours[top : top + rows]
        missing = ((0, -len(strip) % down), (0, -WIDTH % across), (0, 0))
        strip = np.pad(strip, missing, mode="edge")
        blocks = strip.reshape(len(strip) // down, down, -1, across, 3).transpose(0, 2, 1, 3, 4)
        luma = blocks[..., 0].reshape(*blocks.shape[:2], -1)
        chroma = blocks[..., 1:].mean(axis=(2, 3)).round().astype(np.uint8)
        data = PACKERS[KINDS[kind]](np.concatenate([luma, chroma], axis=2).tobytes())
        offsets.append(8 + len(body))
        sizes.append(len(data))
        body += data
    tags: dict[int, tuple[int, Sequence[int]]] = {
        258: (3, (8, 8, 8)),
        259: (3, (KINDS[kind],)),
        262: (3, (YCBCR,)),
        273: (4, offsets),
        277: (3, (3,)),
        278: (4, (rows,)),
        279: (4, sizes),
        530: (3, subsampling),
    }
    shown = Image.frombytes("YCbCr", (WIDTH, HEIGHT), colours.tobytes())
    expected = np.asarray(shown.convert("RGB")).astype(int)
    for order in "<>":
        found = pixels(tiff_of(WIDTH, HEIGHT, tags, body, order)).astype(int)
        assert np.abs(found - expected).max() <= 12 * down, order
        assert np.abs(found - expected).mean() < 3, order


@pytest.mark.parametrize("colours", ["RGB", "RGB and alpha"])
def test_planes_of_jpeg(colours: str) -> None:
    photometric, extra, channels = COLOURS[colours]
    body, offsets, sizes = b"", [], []
    for channel in channels:
        for top in range(0, HEIGHT, 16):
            data = saved(Image.fromarray(np.ascontiguousarray(channel[top : top + 16])), "JPEG", quality=98)
            offsets.append(8 + len(body))
            sizes.append(len(data))
            body += data
    count = len(channels)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        258: (3, (8,) * count),
        259: (3, (JPEG,)),
        262: (3, (photometric,)),
        273: (4, offsets),
        277: (3, (count,)),
        278: (4, (16,)),
        279: (4, sizes),
        284: (3, (2,)),
    }
    tags |= {338: (3, extra)} if extra else {}
    found = pixels(tiff_of(WIDTH, HEIGHT, tags, body)).astype(int)
    assert np.abs(found - expected_of(colours))[..., :3].mean() < 2


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("bits", [8, 16])
def test_an_independent_writer(bits: int, colours: str) -> None:
    photometric, extra, channels = COLOURS[colours]
    names = {WHITE_IS_ZERO: "miniswhite", BLACK_IS_ZERO: "minisblack", RGB_COLOURS: "rgb"}
    meanings = {0: "unspecified", 2: "unassalpha"}
    samples = np.dstack([scaled(channel, bits) for channel in channels])
    for planar in ("contig", "separate"):
        stored = samples.transpose(2, 0, 1) if planar == "separate" else samples
        for byteorder in "<>":
            out = io.BytesIO()
            options: dict[str, Any] = {"byteorder": byteorder, "compression": "zlib", "predictor": True}
            options |= {"extrasamples": [meanings[meaning] for meaning in extra]} if extra else {}
            if len(channels) > 1:
                options["planarconfig"] = planar
            stored = stored if len(channels) > 1 else samples[..., 0]
            tifffile.imwrite(out, stored, photometric=names[photometric], metadata=None, **options)
            close(out.getvalue(), expected_of(colours), 0)


ONE_CHANNEL = scaled(GRAY, 16)
MENDED = {
    "no photometric": layout(GRAY, 8, None),
    "no photometric, 16 bits": layout(ONE_CHANNEL, 16, None),
    "no photometric, RGB": layout(RGB, 8, None),
    "planar, of one channel": layout(GRAY, 8, BLACK_IS_ZERO, planar=True, tags={284: (3, (2,))}),
    "planar, of one channel of 16 bits": layout(ONE_CHANNEL, 16, BLACK_IS_ZERO, planar=True),
    "planar, white is 0": layout(255 - GRAY, 8, WHITE_IS_ZERO, planar=True),
    "RowsPerStrip 0": layout(RGB, 8, RGB_COLOURS, tags={278: (4, (0,))}),
    "RowsPerStrip 0, several strips": layout(RGB, 8, RGB_COLOURS, rows=31, tags={278: (4, (0,))}),
    "RowsPerStrip of all ones": layout(RGB, 8, RGB_COLOURS, tags={278: (4, ((1 << 32) - 1,))}),
    "no samples": without(layout(RGB, 8, RGB_COLOURS), 277),
    "no samples, planar": without(layout(RGB, 8, RGB_COLOURS, planar=True, compression=LZW), 277),
    "bits of one sample": layout(RGB, 8, RGB_COLOURS, tags={258: (3, (8,))}),
    "bits of one sample, 16": layout(scaled(RGB, 16), 16, RGB_COLOURS, planar=True, tags={258: (3, (16,))}),
    "undefined form": layout(GRAY, 8, BLACK_IS_ZERO, form=4),
    "no sizes": layout(RGB, 8, RGB_COLOURS, rows=10, compression=DEFLATE, tags={279: (4, (0,) * 7)}),
    "no sizes, planar": layout(RGB, 8, RGB_COLOURS, rows=10, planar=True, tags={279: (4, (0,) * 21)}),
}


@pytest.mark.parametrize("name", MENDED)
def test_missing_and_wrong_tags(name: str) -> None:
    expected = RGB if pixels(MENDED[name]).std(axis=2).max() > 1 else np.dstack([GRAY] * 3)
    np.testing.assert_array_equal(pixels(MENDED[name]), expected)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_that_no_tag_tells_of(bits: int, planar: bool) -> None:
    for alpha, shown in ((ALPHA, np.dstack([RGB, ALPHA])), (ALPHA * 0, RGB)):
        close(layout(scaled(np.dstack([RGB, alpha]), bits), bits, RGB_COLOURS, planar=planar), shown, 0)


API = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = {
    "gray": (WHITE_IS_ZERO, BLACK_IS_ZERO),
    "RGB": (RGB_COLOURS,),
    "palette": (PALETTE,),
    "CMYK": (CMYK,),
    "YCbCr": (YCBCR,),
    "CIE L\\*a\\*b\\*": (CIE_LAB,),
    "ICC L\\*a\\*b\\*": (ICC_LAB,),
}


def bits_in_words(bits: Sequence[int]) -> str:
    words = "1 to 16" if set(range(1, 17)) <= set(bits) else ""
    rest = [str(number) for number in bits if not (words and number <= 16)]
    return ", ".join(filter(None, [words, *rest])) or "none"


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_what_is_read(name: str) -> None:
    """Its table of samples is the reader's own."""
    for photometric in NAMES[name]:
        cells = (bits_in_words(READ[photometric].get(form, ())) for form in (1, 2, 3))
        assert f"| {name} | {' | '.join(cells)} |" in API
    assert set(READ) == {photometric for group in NAMES.values() for photometric in group}


def test_every_combination_is_as_documented() -> None:
    """Of all colours, forms, depths and orders: read right in size, or E-FORMAT, by the table alone."""
    for photometric in range(11):
        for form in range(7):
            for bits in (1, 2, 4, 7, 8, 12, 16, 17, 24, 32, 33, 48, 64):
                for planar in (False, True):
                    count = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}.get(photometric, 1)
                    row = (WIDTH * (1 if planar else count) * bits + 7) // 8
                    places = [8 + plane * row * HEIGHT for plane in range(count if planar else 1)]
                    tags: dict[int, tuple[int, Sequence[int]]] = {
                        258: (3, (bits,) * count),
                        262: (3, (photometric,)),
                        273: (4, places),
                        277: (3, (count,)),
                        279: (4, [row * HEIGHT] * len(places)),
                        284: (3, (1 + planar,)),
                        320: (3, [0] * (3 << min(bits, 8))),
                        339: (3, (form,) * count),
                        530: (3, (1, 1)),
                    }
                    data = tiff_of(WIDTH, HEIGHT, tags, bytes(row * HEIGHT * len(places)))
                    known = READ.get(photometric, {})
                    if bits in known.get({4: 1}.get(form, form), ()):
                        assert pixels(data).shape[:2] == (HEIGHT, WIDTH)
                    else:
                        with pytest.raises(ImageFormatInvalid):
                            open_source(data)


def jpeg_tiff(photometric: int, samples: int, data: bytes, **tags: tuple[int, Sequence[int]]) -> bytes:
    basic: dict[int, tuple[int, Sequence[int]]] = {
        258: (3, (8,) * samples),
        259: (3, (JPEG,)),
        262: (3, (photometric,)),
        277: (3, (samples,)),
    }
    return tiff_of(WIDTH, HEIGHT, basic | {int(tag[1:]): value for tag, value in tags.items()}, data)


def test_jpeg_inside() -> None:
    for image, photometric in (
        (PHOTO.convert("L"), BLACK_IS_ZERO),
        (PHOTO, YCBCR),
        (PHOTO.convert("CMYK"), CMYK),
    ):
        data = saved(image, "JPEG", quality=97, subsampling=0)
        if image.mode == "CMYK":  # without Adobe's marker, which turns the inks over
            data = jpeg_of(*(segment for segment in jpeg_segments(data) if segment[1] != 0xEE))
        found = pixels(jpeg_tiff(photometric, len(image.getbands()), data)).astype(int)
        assert found.shape == (HEIGHT, WIDTH, 3)
        if image.mode != "CMYK":
            assert np.abs(found - np.asarray(image.convert("RGB"))).mean() < 2


REFUSED = {
    "float of 24 bits": layout(scaled(GRAY, 24), 24, BLACK_IS_ZERO, form=3),
    "complex": layout(scaled(GRAY, 32), 32, BLACK_IS_ZERO, form=6),
    "integers of 64 bits": layout(GRAY.astype(np.uint64), 64, BLACK_IS_ZERO),
    "17 bits": layout(scaled(GRAY, 17), 17, BLACK_IS_ZERO),
    "samples of different bits": layout(RGB, 8, RGB_COLOURS, tags={258: (3, (8, 8, 16))}),
    "samples of different forms": layout(RGB, 8, RGB_COLOURS, tags={339: (3, (1, 1, 2))}),
    "inks that are not CMYK": layout(np.dstack([RGB, GRAY]), 8, CMYK, tags={332: (3, (2,))}),
    "a transparency mask": layout(GRAY, 8, 4),
    "ITULab": layout(RGB, 8, 10),
    "Lab as floats": layout(RGB.astype(np.float32), 32, CIE_LAB, form=3),
    "YCbCr of 16 bits": layout(scaled(RGB, 16), 16, YCBCR, tags={530: (3, (1, 1))}),
    "YCbCr in planes, subsampled": layout(RGB, 8, YCBCR, planar=True, tags={530: (3, (2, 2))}),
    "YCbCr and alpha": layout(np.dstack([RGB, ALPHA]), 8, YCBCR, extra=[2], tags={530: (3, (1, 1))}),
    "premultiplied Lab": layout(np.dstack([RGB, ALPHA]), 8, CIE_LAB, extra=[1]),
    "a palette of 32 bits": layout(scaled(GRAY, 32), 32, PALETTE, tags={320: (3, (0,) * 768)}),
    "a palette without colours": layout(GRAY, 8, PALETTE),
    "differences of 12 bits": layout(
        scaled(GRAY, 16), 16, 1, compression=LZW, tags={258: (3, (12,)), 317: (3, (2,))}
    ),
    "YCbCr of blocks of 4 x 4": layout(RGB, 8, YCBCR, tags={530: (3, (4, 4))}),
    "a predictor that is unknown": layout(GRAY, 8, 1, compression=LZW, planar=True, tags={317: (3, (7,))}),
    "fewer samples than colours": layout(np.dstack([GRAY, GRAY]), 8, RGB_COLOURS),
    "17 samples": layout(np.dstack([GRAY] * 17), 8, RGB_COLOURS),
    "WebP inside": layout(GRAY, 8, BLACK_IS_ZERO, tags={259: (3, (50001,))}),
    "LERC inside": layout(GRAY, 8, BLACK_IS_ZERO, tags={259: (3, (34887,))}),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_not_read(data: bytes) -> None:
    with pytest.raises(ImageFormatInvalid):
        pixels(data)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["strip", "strips", "tiles"])
def test_pixels_that_end_early(form: str, kind: str, planar: bool) -> None:
    samples = scaled(np.dstack([RGB, ALPHA, NOISE]), 16)
    whole = layout(
        samples, 16, RGB_COLOURS, extra=[2, 0], planar=planar, compression=KINDS[kind], **LAYOUTS[form]
    )
    tag = struct.pack("<HH", 324 if form == "tiles" else 273, 4)
    at = whole.index(tag) + 4
    count, place = struct.unpack_from("<II", whole, at)
    last = at + 4 if count == 1 else place + 4 * (count - 1)
    data = bytearray(whole)
    struct.pack_into("<I", data, last, len(whole) - 3)
    with pytest.raises(SegmentError):
        pixels(bytes(data))


@pytest.mark.parametrize("rows", [600, 250])
def test_strips_of_more_bytes_than_are_read_at_a_time(rows: int) -> None:
    values = np.random.default_rng(1).integers(0, 1 << 16, (600, 1000), np.uint16)
    strips = [values[top : top + rows].tobytes() for top in range(0, 600, rows)]
    starts = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags = {258: (3, (16,)), 273: (4, starts), 278: (4, (rows,)), 279: (4, [len(strip) for strip in strips])}
    found = pixels(tiff_of(1000, 600, tags, b"".join(strips)))
    np.testing.assert_array_equal(found, np.repeat((values >> 8)[..., None], 3, axis=2))
