"""TIFF samples of any width, form and order, in one plane or in many, read by numpy in bands of rows.

libtiff only decompresses: it gets strips and tiles as if they were gray pictures of bytes. The bytes are
interpreted here, so that no combination of tags is mistaken for another.
"""

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from shared_code.errors import ImageFormatInvalid
from shared_code.picture import tiff_page as tiff
from shared_code.picture.samples import NO_DATA
from shared_code.picture.survey import Stored
from shared_code.picture.tiff_directory import written
from shared_code.picture.tiff_page import Page

JPEG_TABLES, MOST_TABLE_BYTES = 347, 1 << 16

_BAND_BYTES = 1 << 19
_BLOCK_PIXELS, _NUMBER_BYTES = 1 << 14, 2 << 20
"""Of so many pixels the samples are numbers at a time, which take about so many bytes."""
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_NO_DATA_INT = 2**31 - 1
_WHITES = {
    tiff.UNSIGNED: (255.0, 65_535.0),
    tiff.SIGNED: (255.0, 65_535.0),
    tiff.FLOAT: (1.0, 255.0, 65_535.0),
}
"""White where no tag defines it: the first of these that no sample exceeds."""
_WIDE_UNSIGNED, _FULL_UNSIGNED = 1 << 24, (1 << 32) - 1
"""Unsigned samples of 32 bits above the first use all of them."""
_MODES = {
    tiff.WHITE_IS_ZERO: "L",
    tiff.BLACK_IS_ZERO: "L",
    tiff.RGB: "RGB",
    tiff.PALETTE: "RGB",
    tiff.CMYK: "CMYK",
    tiff.YCBCR: "YCbCr",
    tiff.CIE_LAB: "LAB",
    tiff.ICC_LAB: "LAB",
}
_SCALED = (tiff.WHITE_IS_ZERO, tiff.BLACK_IS_ZERO, tiff.RGB, tiff.CMYK)
_ANY_BITS: Mapping[int, Sequence[int]] = {
    tiff.UNSIGNED: (*range(1, 17), 24, 32),
    tiff.SIGNED: (8, 16, 32),
    tiff.FLOAT: (16, 32, 64),
}
READ: Mapping[int, Mapping[int, Sequence[int]]] = {
    **dict.fromkeys(_SCALED, _ANY_BITS),
    tiff.PALETTE: {tiff.UNSIGNED: range(1, 17)},
    tiff.YCBCR: {tiff.UNSIGNED: (8,)},
    tiff.CIE_LAB: {tiff.UNSIGNED: (8, 16), tiff.SIGNED: (8, 16)},
    tiff.ICC_LAB: {tiff.UNSIGNED: (8, 16)},
}
"""What is read: PhotometricInterpretation and form to the bits of a sample."""
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]

type Bytes = NDArray[np.uint8]
type Samples = NDArray[np.generic]
"""Native numbers (rows, columns, samples)."""


def readable(page: Page) -> bool:
    """Whether `load` reads such a page."""
    predictors = {
        1: True,
        _DIFFERENCES: page.bits in (8, 16, 32, 64),
        _FLOAT_DIFFERENCES: page.form == tiff.FLOAT,
    }
    packed = page.compression in (tiff.NONE, *tiff.PACKED_BYTES)
    gray_jpegs = page.compression == tiff.JPEG and page.planar and page.bits == 8
    return (
        page.bits in READ[page.photometric].get(page.form, ())
        and predictors.get(page.predictor, False)
        and (packed or gray_jpegs)
        and (page.photometric != tiff.YCBCR or (page.planar and page.plain_ycbcr))
        and (not page.premultiplied or page.photometric in _SCALED)
    )


def pixel_bytes(page: Page) -> float:
    """Bytes that `load` holds of each pixel."""
    return (1.1 if _MODES[page.photometric] == "L" else 4.1) + (page.alpha is not None)


def band_bytes(page: Page) -> int:
    """Bytes of the strips or tiles that `load` unpacks at a time, and of the numbers in them."""
    planes = page.samples if page.planar else 1
    band = planes * _rows_of_band(page) * _row_bytes(page) * -(-page.width // page.layout.width)
    if page.compression == tiff.NONE:
        return min(band, 2 * _BAND_BYTES) + _NUMBER_BYTES
    return 2 * band + min(band, sum(page.layout.sizes)) + _NUMBER_BYTES


def load(data: bytes, page: Page) -> Stored:
    """The first page of `data`, which is `page`. Raises ImageFormatInvalid, or what Pillow raises."""
    white = _white(data, page)
    mode, size = _MODES[page.photometric], (page.width, page.height)
    image = Image.new(mode, size)
    alpha = Image.new("L", size) if page.alpha is not None else None
    for top, samples in _bands(data, page):
        rows, place = (page.width, len(samples)), (0, top)
        image.paste(Image.frombytes(mode, rows, _colours(samples, page, white).tobytes()), place)
        if alpha is not None:
            alpha.paste(Image.fromarray(_levels(samples[..., page.alpha], white)), place)
    if alpha is None or (page.alpha_may_be_unfilled and alpha.getextrema() == (0, 0)):
        return Stored(image, has_alpha=False)
    return Stored(image, True, alpha)


def _white(data: bytes, page: Page) -> float:
    """The sample that is white: of wide ones it depends on all of them."""
    if page.form == tiff.UNSIGNED and page.bits < 32:
        return (1 << page.bits) - 1
    highest = 0.0
    for _, samples in _bands(data, page):
        shown = samples[..., : page.colours]
        usable = _usable(shown, page)
        highest = max(highest, float(shown[usable].max(initial=0)))
    if page.form == tiff.UNSIGNED and highest > _WIDE_UNSIGNED:
        return _FULL_UNSIGNED
    return next((white for white in _WHITES[page.form] if highest <= white), highest)


def _colours(samples: Samples, page: Page, white: float) -> Bytes:
    """uint8 (rows, columns, channels of the mode), as Pillow unpacks them."""
    colours = samples[..., : page.colours]
    if page.photometric == tiff.PALETTE:
        table: Bytes = (np.array(page.colour_map).reshape(3, -1).T >> 8).astype(np.uint8)
        return np.asarray(table[colours[..., 0]], np.uint8)
    if page.photometric in (tiff.CIE_LAB, tiff.ICC_LAB):
        return _lab(colours, page)
    usable = _usable(colours, page)
    colours = np.where(usable, colours, 0).astype(colours.dtype)
    if page.premultiplied:
        levels = _levels(_straight(colours, samples[..., page.alpha, None]), 255)
    else:
        levels = _levels(colours, white)
    if page.photometric == tiff.WHITE_IS_ZERO:
        levels = np.where(usable, 255 - levels, 0).astype(np.uint8)
    return levels


def _levels(values: Samples, white: float) -> Bytes:
    """0..`white` as 0..255."""
    if values.dtype == np.uint8 and white == 255:
        return np.ascontiguousarray(values, np.uint8)
    if values.dtype == np.uint16 and white == 65_535:
        return np.asarray(values.view(np.uint16) >> 8, np.uint8)
    usable = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    return np.asarray(np.floor(np.clip(usable / max(white, 1e-30), 0, 1) * 255 + 0.5), np.uint8)


def _straight(colours: Samples, alpha: Samples) -> NDArray[np.float32]:
    """0..255 of colours that are multiplied with alpha."""
    parts, whole = colours.astype(np.float64), np.maximum(alpha.astype(np.float64), 0)
    levels = np.divide(255 * parts, whole, out=np.zeros_like(parts), where=whole > 0)
    return np.floor(levels).astype(np.float32)


def _lab(values: Samples, page: Page) -> Bytes:
    """8-bit CIE L*a*b*, a* and b* signed (TIFF 6.0, section 23; ICCLab: Adobe Photoshop TIFF notes)."""
    if page.bits == 8:
        lab = values.astype(np.uint8)
        return lab ^ np.array([0, 128, 128], np.uint8) if page.photometric == tiff.ICC_LAB else lab
    wide = values.astype(np.int64)
    if page.photometric == tiff.ICC_LAB:
        lightness, hues = wide[..., :1] / 256, wide[..., 1:] / 256 - 128
    else:
        lightness, hues = (wide[..., :1] & 0xFFFF) / 257, wide[..., 1:].astype(np.int16) / 256
    parts = np.concatenate((np.clip(lightness, 0, 255), np.clip(hues, -128, 127)), axis=2)
    return np.floor(parts + 0.5).astype(np.int16).astype(np.uint8)


def _usable(values: Samples, page: Page) -> NDArray[np.bool_]:
    """Which samples stand for light, and not for none."""
    if page.form == tiff.FLOAT:
        usable = np.abs(values.astype(np.float64)) < NO_DATA
    elif page.form == tiff.SIGNED and page.bits == 32:
        usable = values != _NO_DATA_INT
    else:
        usable = np.ones(values.shape, np.bool_)
    if page.no_data is not None and page.bits > 8:
        usable = usable & (values != page.no_data)
    return np.asarray(usable, np.bool_)


def _row_bytes(page: Page) -> int:
    """Of a row of a strip or tile."""
    return (page.layout.width * (1 if page.planar else page.samples) * page.bits + 7) // 8


def _rows_of_band(page: Page) -> int:
    """A row of tiles, or as many strips as are read at a time."""
    rows = page.layout.height
    if page.layout.tiled:
        return rows
    return min(page.height, rows * max(1, _BAND_BYTES // (rows * _row_bytes(page))))


def _bands(data: bytes, page: Page) -> Iterator[tuple[int, Samples]]:
    """All rows from the top: the number of the first of some rows, and their samples."""
    across, down = -(-page.width // page.layout.width), -(-page.height // page.layout.height)
    planes, band = page.samples if page.planar else 1, _rows_of_band(page)
    block = max(1, _BLOCK_PIXELS // (across * page.layout.width))
    for above in range(0, page.height, band):
        rows = min(band, page.height - above)
        first = above // page.layout.height * across
        last = -(-(above + rows) // page.layout.height) * across
        stacks = [
            _unpacked(data, page, range(first + plane * across * down, last + plane * across * down), rows)
            for plane in range(planes)
        ]
        for top in range(0, rows, block):
            parts = [_samples(stack[:, top : min(rows, top + block)], page) for stack in stacks]
            yield above + top, parts[0] if planes == 1 else np.concatenate(parts, axis=2)


def _unpacked(data: bytes, page: Page, chunks: range, rows: int) -> Bytes:
    """Tiles side by side, or strips one below the other: uint8 (tiles, rows, bytes of a row)."""
    layout, row_bytes = page.layout, _row_bytes(page)
    count = len(chunks) if layout.tiled else 1
    all_rows = layout.height * count if layout.tiled else rows
    if page.compression == tiff.NONE:
        found = _stored(data, page, chunks, all_rows)
    else:
        places = ((layout.offsets[chunk], layout.sizes[chunk]) for chunk in chunks)
        packed = [data[offset : offset + size] for offset, size in places]
        found = _by_libtiff(packed, page, all_rows)
    if found.size != all_rows * row_bytes:
        raise ImageFormatInvalid
    return found.reshape(count, -1, row_bytes)


def _stored(data: bytes, page: Page, chunks: range, rows: int) -> Bytes:
    """Of chunks that are not compressed, as many bytes as their pixels take, whatever is stated."""
    whole, parts = np.frombuffer(data, np.uint8), []
    for number, chunk in enumerate(chunks):
        size = min(page.layout.height, rows - number * page.layout.height) * _row_bytes(page)
        parts.append(whole[page.layout.offsets[chunk] :][:size])
    found = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return _REVERSED[found] if page.fill_order == 2 else found


def _by_libtiff(packed: list[bytes], page: Page, rows: int) -> Bytes:
    sizes = tuple(map(len, packed))
    offsets = tuple(int(offset) for offset in 8 + np.cumsum((0, *sizes[:-1])))
    numbers = {
        256: (_row_bytes(page),),
        257: (rows,),
        258: (8,),
        259: (page.compression,),
        262: (tiff.BLACK_IS_ZERO,),
        266: (page.fill_order,),
        273: offsets,
        277: (1,),
        278: (page.layout.height,),
        279: sizes,
    }
    tables = page.directory.field(JPEG_TABLES, MOST_TABLE_BYTES) if page.compression == tiff.JPEG else None
    content = written(b"".join(packed), "<", numbers, {JPEG_TABLES: tables} if tables else {})
    # Not by Image.open, which would count bytes as pixels: their number was planned for.
    with TiffImagePlugin.TiffImageFile(io.BytesIO(content)) as image:
        return np.asarray(image).reshape(-1)


def _samples(packed: Bytes, page: Page) -> Samples:
    """`packed`, uint8 (tiles, rows, bytes of a row): native numbers (rows, columns, samples)."""
    tiles, rows, _ = packed.shape
    each = 1 if page.planar else page.samples
    values = _numbers(packed.reshape(tiles * rows, -1), page, page.layout.width * each)
    values = values.reshape(tiles, rows, page.layout.width, each)
    if page.predictor == _DIFFERENCES:
        words = values.view(f"u{values.itemsize}")
        values = np.cumsum(words, axis=2, dtype=words.dtype).view(values.dtype)
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return values.transpose(1, 0, 2, 3).reshape(rows, -1, each)[:, : page.width]


def _numbers(rows: Bytes, page: Page, count: int) -> Samples:
    """`rows`, uint8 (rows, bytes): native numbers (rows, `count`)."""
    bits = page.bits
    if page.predictor == _FLOAT_DIFFERENCES:
        each = 1 if page.planar else page.samples
        bytes_ = np.cumsum(rows.reshape(len(rows), -1, each), axis=1, dtype=np.uint8)
        # The first bytes of all samples come first, then the second ones: the most significant is first.
        rows = np.ascontiguousarray(bytes_.reshape(len(rows), bits // 8, count).transpose(0, 2, 1))
        return rows.reshape(len(rows), -1).view(f">f{bits // 8}").astype(f"=f{bits // 8}")
    if bits == 24:
        parts = rows.reshape(len(rows), count, 3).astype(np.uint32)
        parts = parts if page.order == "<" else parts[..., ::-1]
        return parts[..., 2] << 16 | parts[..., 1] << 8 | parts[..., 0]
    if bits % 8 == 0:
        letter = {tiff.UNSIGNED: "u", tiff.SIGNED: "i", tiff.FLOAT: "f"}[page.form]
        native = f"={letter}{bits // 8}"
        return np.ascontiguousarray(rows).view(f"{page.order}{letter}{bits // 8}").astype(native)
    begin = np.arange(count) * bits
    byte, padded = begin >> 3, np.pad(rows, ((0, 0), (0, 2))).astype(np.uint32)
    three = padded[:, byte] << 16 | padded[:, byte + 1] << 8 | padded[:, byte + 2]
    return (three >> (24 - bits - (begin & 7)).astype(np.uint32) & (1 << bits) - 1).astype(np.uint16)
