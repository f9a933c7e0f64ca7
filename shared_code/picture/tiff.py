"""TIFF 6.0 and BigTIFF: the first page, read by Pillow where it reads such samples right, else by numpy.

Pillow and libtiff get only the entries that make pixels. Overlapping directories, chains of pages, notes of
20 MB and camera raw do not reach them.
"""

import zlib
from dataclasses import replace

from shared_code.errors import ImageFormatInvalid
from shared_code.picture import pillow, tiff_samples
from shared_code.picture import tiff_page as page_of
from shared_code.picture.survey import ColourSpace, Stored, Survey
from shared_code.picture.tiff_directory import Field, written
from shared_code.picture.tiff_page import Page, first_page

_OPAQUE: tuple[tuple[int, ...], ...] = ((),)
_ANY_ALPHA = (*_OPAQUE, (page_of.UNSPECIFIED,), (page_of.PREMULTIPLIED,), (page_of.STRAIGHT,))
_BY_PILLOW = {
    **{(page_of.WHITE_IS_ZERO, bits): _OPAQUE for bits in (1, 2, 4, 8)},
    **{(page_of.BLACK_IS_ZERO, bits): _OPAQUE for bits in (1, 2, 4, 8)},
    **{(page_of.PALETTE, bits): _OPAQUE for bits in (1, 2, 4, 8)},
    **{(page_of.RGB, bits): _ANY_ALPHA for bits in (8, 16)},
    **{(page_of.CMYK, bits): _OPAQUE for bits in (8, 16)},
    (page_of.CIE_LAB, 8): _OPAQUE,
    (page_of.YCBCR, 8): _OPAQUE,
}
"""PhotometricInterpretation and bits to the extra samples with which Pillow reads unsigned samples right."""
_JPEG_BY_PILLOW = {**_BY_PILLOW, (page_of.BLACK_IS_ZERO, 8): _ANY_ALPHA}
_ONE_BYTE = (page_of.WHITE_IS_ZERO, page_of.BLACK_IS_ZERO, page_of.PALETTE)
_NUMBERS_PASSED_ON = {292: 1, 293: 1}
"""T4Options and T6Options."""
_FIELDS_PASSED_ON = {tiff_samples.JPEG_TABLES: tiff_samples.MOST_TABLE_BYTES, 529: 3, 532: 12}
"""JPEGTables, YCbCrCoefficients and ReferenceBlackWhite, to the most values of each."""
_OLD_JPEG = dict.fromkeys(range(512, 522), 64)
_DEFLATE = 8


def survey(data: bytes) -> Survey:
    """Read the first directory of `data`. Raises ImageFormatInvalid, or struct.error if it is truncated."""
    page = first_page(data)
    if _by_pillow(page):
        content = _rewritten(data, page)
        pixel_bytes = 1.1 if page.photometric in _ONE_BYTE and not page.extra else 4.1
        decoder_bytes = _chunk_bytes(page)
    elif tiff_samples.readable(page):
        content, pixel_bytes = data, tiff_samples.pixel_bytes(page)
        decoder_bytes = tiff_samples.band_bytes(page)
    else:
        raise ImageFormatInvalid
    return Survey(
        content,
        page.width,
        page.height,
        page.orientation,
        ColourSpace(page.icc_profile),
        decoder_bytes=decoder_bytes,
        pixel_bytes=pixel_bytes,
        alpha_may_be_unfilled=page.alpha_may_be_unfilled,
    )


def load(survey: Survey, scale: int) -> Stored:
    """Decode the first page."""
    page = first_page(survey.content)
    return pillow.load(survey, scale, "TIFF") if _by_pillow(page) else tiff_samples.load(survey.content, page)


def ends_early(data: bytes) -> bool:
    """Whether a strip or tile of the first page lies beyond the end of the file."""
    layout = first_page(data).layout
    return any(at + size > len(data) for at, size in zip(layout.offsets, layout.sizes, strict=True))


def _by_pillow(page: Page) -> bool:
    if page.planar or page.form != page_of.UNSIGNED:
        return False
    kind = (page.photometric, page.bits)
    if page.compression in page_of.FAX:
        return kind in _BY_PILLOW and page.bits == page.samples == 1
    if page.compression in (page_of.JPEG, page_of.OLD_STYLE_JPEG):
        return page.bits == 8 and page.extra in _JPEG_BY_PILLOW.get(kind, ())
    return page.fill_order == 1 and page.extra in _BY_PILLOW.get(kind, ())


def _rewritten(data: bytes, page: Page) -> bytes:
    """The file with a directory of these tags at its end, to which its header points."""
    content: bytes | memoryview = memoryview(data)[8:]
    if _left_to_libtiff(page):
        content, page = _deflated(data, page)
    passed_on = _FIELDS_PASSED_ON | (_OLD_JPEG if page.compression == page_of.OLD_STYLE_JPEG else {})
    fields: dict[int, Field] = {}
    for tag, most in passed_on.items():
        if field := page.directory.field(tag, most):
            fields[tag] = field
    numbers = page.pixel_tags | page.layout.place
    for tag, count in _NUMBERS_PASSED_ON.items():
        if tag in page.directory.entries:
            numbers[tag] = page.directory.numbers(tag, count)
    return written(content, page.order, numbers, fields)


def _left_to_libtiff(page: Page) -> bool:
    """Uncompressed pixels that Pillow reads wrong, and libtiff right."""
    return page.photometric == page_of.YCBCR and page.compression == page_of.NONE and not page.plain_ycbcr


def _deflated(data: bytes, page: Page) -> tuple[bytes, Page]:
    """The pixels in deflate's stored blocks: Pillow leaves only what is compressed to libtiff."""
    layout, (across, down) = page.layout, page.subsampling
    chunks, sizes = [], []
    for number, offset in enumerate(layout.offsets):
        rows = layout.height if layout.tiled else min(layout.height, page.height - number * layout.height)
        size = -(-layout.width // across) * -(-rows // down) * (across * down + 2)
        if offset + size > len(data):
            raise ImageFormatInvalid
        chunks.append(zlib.compress(data[offset : offset + size], 0))
        sizes.append(len(chunks[-1]))
    offsets = tuple(8 + sum(sizes[:number]) for number in range(len(sizes)))
    layout = replace(layout, offsets=offsets, sizes=tuple(sizes))
    return b"".join(chunks), replace(page, compression=_DEFLATE, layout=layout)


def _chunk_bytes(page: Page) -> int:
    """What libtiff holds of one strip or tile, packed and unpacked, beside the picture."""
    if page.compression == page_of.NONE and not _left_to_libtiff(page):
        return 0
    return max(1, 2 * page.layout.width * page.layout.height * page.samples * page.bits // 8)
