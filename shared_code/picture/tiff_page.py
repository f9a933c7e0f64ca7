"""The first page of a TIFF: its samples, and their positions in the file.

Missing and wrong tags are corrected where their meaning is certain.
"""

from dataclasses import dataclass

from shared_code.errors import ImageFault, ImageFormatInvalid
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.exif import xmp_orientation
from shared_code.picture.tiff_directory import Directory, first_directory, is_raw

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 277, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_ORIENTATION, _PLANAR, _PREDICTOR, _COLOR_MAP, _INK_SET = 274, 284, 317, 320, 332
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _SUBSAMPLING, _XMP, _ICC, _NO_DATA = 338, 339, 530, 700, 34675, 42113

_JFIF = {529: (0.299, 0.587, 0.114), 532: (0, 255, 128, 255, 128, 255)}
"""YCbCrCoefficients and ReferenceBlackWhite where they are missing."""

NONE, OLD_STYLE_JPEG, JPEG = 1, 6, 7
FAX = (2, 3, 4)
"""CCITT 1D, group 3 and group 4."""
_WITH_PREDICTOR = (5, 8, 32946, 34925, 50000)
"""LZW, deflate, LZMA, Zstandard."""
PACKED_BYTES = (*_WITH_PREDICTOR, 32773)
"""Compressions of any bytes; the last is PackBits."""
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIE_LAB, ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
_COLOURS = {
    WHITE_IS_ZERO: 1,
    BLACK_IS_ZERO: 1,
    RGB: 3,
    PALETTE: 1,
    CMYK: 4,
    YCBCR: 3,
    CIE_LAB: 3,
    ICC_LAB: 3,
}
"""PhotometricInterpretation to the samples that make a colour."""
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_UNDEFINED = 4
UNSPECIFIED, PREMULTIPLIED, STRAIGHT = 0, 1, 2
_COREL_DRAW_ALPHA = 999
_ONLY_CMYK = 1


@dataclass(frozen=True)
class Layout:
    """The strips or tiles: where each lies, and the pixels of each."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    width: int
    height: int
    tiled: bool

    @property
    def place(self) -> dict[int, tuple[int, ...]]:
        """The tags that say so."""
        if self.tiled:
            sides = {_TILE_WIDTH: (self.width,), _TILE_HEIGHT: (self.height,)}
            return {**sides, _TILE_OFFSETS: self.offsets, _TILE_BYTES: self.sizes}
        return {_STRIP_OFFSETS: self.offsets, _ROWS_PER_STRIP: (self.height,), _STRIP_BYTES: self.sizes}


@dataclass(frozen=True)
class Page:
    """The first page. `order` is struct's sign of the byte order.

    bits, form: of each sample; UNSIGNED, SIGNED or FLOAT.
    extra: what each sample behind those of the colour means.
    planar: each sample has a plane of its own.
    predictor: 1 none, 2 differences, 3 differences of the bytes of floats.
    colour_map: red, green and blue of all palette colours, 0..65535.
    """

    directory: Directory
    order: str
    width: int
    height: int
    compression: int
    photometric: int
    samples: int
    bits: int
    form: int
    extra: tuple[int, ...]
    planar: bool
    fill_order: int
    predictor: int
    subsampling: tuple[int, ...]
    colour_map: tuple[int, ...]
    layout: Layout

    @property
    def colours(self) -> int:
        """Samples that make a colour."""
        return _COLOURS[self.photometric]

    @property
    def alpha(self) -> int | None:
        """Which sample is the alpha."""
        meanings = enumerate(self.extra, self.colours)
        return next((number for number, meaning in meanings if meaning != UNSPECIFIED), None)

    @property
    def premultiplied(self) -> bool:
        """Whether the colours are multiplied with alpha."""
        return self.alpha is not None and self.extra[self.alpha - self.colours] == PREMULTIPLIED

    @property
    def plain_ycbcr(self) -> bool:
        """Whether each pixel has its own Cb and Cr, by the coefficients and the range of JFIF."""
        stated = {tag: self.directory.fractions(tag, len(usual)) for tag, usual in _JFIF.items()}
        return self.subsampling == (1, 1) and all(stated[tag] in ((), usual) for tag, usual in _JFIF.items())

    @property
    def alpha_may_be_unfilled(self) -> bool:
        """Whether the file does not say that it has alpha."""
        return _EXTRA_SAMPLES not in self.directory.entries

    @property
    def orientation(self) -> int:
        """1..8 (CIPA DC-008, 4.6.4)."""
        stated = self.directory.number(_ORIENTATION, 0)
        if 1 <= stated <= 8:
            return stated
        return xmp_orientation(self.directory.raw(_XMP, MOST_PROFILE_BYTES)) or 1

    @property
    def icc_profile(self) -> bytes | None:
        """The ICC profile."""
        return self.directory.raw(_ICC, MOST_PROFILE_BYTES) or None

    @property
    def no_data(self) -> float | None:
        """The sample that stands for none, as GDAL writes it: a number in ASCII."""
        try:
            return float(self.directory.raw(_NO_DATA, 64).strip(b"\0 "))
        except ValueError:
            return None

    @property
    def pixel_tags(self) -> dict[int, tuple[int, ...]]:
        """The tags that say what a pixel is."""
        tags = {
            _WIDTH: (self.width,),
            _HEIGHT: (self.height,),
            _BITS: (self.bits,) * self.samples,
            _COMPRESSION: (self.compression,),
            _PHOTOMETRIC: (self.photometric,),
            _SAMPLES: (self.samples,),
            _SAMPLE_FORMAT: (self.form,) * self.samples,
            _PLANAR: (1 + self.planar,),
            _FILL_ORDER: (self.fill_order,),
            _PREDICTOR: (self.predictor,),
        }
        if self.extra:
            tags[_EXTRA_SAMPLES] = self.extra
        if self.colour_map:
            tags[_COLOR_MAP] = self.colour_map
        if self.subsampling:
            tags[_SUBSAMPLING] = self.subsampling
        return tags


def first_page(data: bytes) -> Page:
    """The first page of `data`. Raises ImageFormatInvalid, struct.error for one that is cut."""
    order, big, directory = first_directory(data)
    if is_raw(data, order, big, directory):
        raise ImageFormatInvalid
    width, height = directory.number(_WIDTH, 0), directory.number(_HEIGHT, 0)
    compression = directory.number(_COMPRESSION, NONE)
    known = (NONE, *FAX, OLD_STYLE_JPEG, JPEG, *PACKED_BYTES)
    if compression not in known or not (0 < width < 1 << 20 and 0 < height < 1 << 20):
        raise ImageFormatInvalid
    samples = directory.number(_SAMPLES, 0) or _samples_of(directory, compression)
    bits, form = _kind(directory, samples)
    photometric = _photometric(directory, compression, samples)
    colours = _COLOURS.get(photometric, 0)
    inks = directory.number(_INK_SET, _ONLY_CMYK)
    if not 0 < colours <= samples <= 16 or (photometric == CMYK and inks != _ONLY_CMYK):
        raise ImageFormatInvalid
    planar = samples > 1 and directory.number(_PLANAR, 1) == 2
    layout = _layout(directory, width, height, samples if planar else 1, len(data))
    return Page(
        directory,
        order,
        width,
        height,
        compression,
        photometric,
        samples,
        bits,
        form,
        _extra(directory, photometric, samples),
        planar,
        fill_order=2 if directory.number(_FILL_ORDER, 1) == 2 and compression != JPEG else 1,
        predictor=directory.number(_PREDICTOR, 1) if compression in _WITH_PREDICTOR else 1,
        subsampling=_subsampling(directory, photometric, compression, layout),
        colour_map=_colour_map(directory, bits) if photometric == PALETTE else (),
        layout=layout,
    )


def _kind(directory: Directory, samples: int) -> tuple[int, int]:
    """Bits and form of all samples. Raises ImageFormatInvalid when they are not alike."""
    bits = set(directory.numbers(_BITS, 64, (1,))[:samples])
    stated = directory.numbers(_SAMPLE_FORMAT, 64, (1,))[:samples]
    forms = {UNSIGNED if form == _UNDEFINED else form for form in stated}
    if len(bits) != 1 or len(forms) != 1 or forms - {UNSIGNED, SIGNED, FLOAT}:
        raise ImageFormatInvalid
    return bits.pop(), forms.pop()


def _samples_of(directory: Directory, compression: int) -> int:
    """How many samples a pixel has when no tag tells."""
    if compression == OLD_STYLE_JPEG:
        return 3
    return max(len(directory.numbers(_BITS, 64)), _COLOURS.get(directory.number(_PHOTOMETRIC, 1), 1))


def _photometric(directory: Directory, compression: int, samples: int) -> int:
    if compression == OLD_STYLE_JPEG:
        photometric = YCBCR
    elif _PHOTOMETRIC in directory.entries:
        photometric = directory.number(_PHOTOMETRIC, 0)
    elif samples >= 3:
        photometric = YCBCR if compression == JPEG else RGB
    else:
        photometric = WHITE_IS_ZERO if compression in FAX else BLACK_IS_ZERO  # as libtiff guesses
    return BLACK_IS_ZERO if photometric == YCBCR and samples == 1 else photometric


def _extra(directory: Directory, photometric: int, samples: int) -> tuple[int, ...]:
    count = samples - _COLOURS[photometric]
    extra = directory.numbers(_EXTRA_SAMPLES, 64)
    if not extra and photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        extra = (STRAIGHT,)  # read as alpha, as libtiff does, unless it is 0 everywhere
    known = {PREMULTIPLIED: PREMULTIPLIED, STRAIGHT: STRAIGHT, _COREL_DRAW_ALPHA: STRAIGHT}
    meanings = tuple(known.get(meaning, UNSPECIFIED) for meaning in extra)
    return (meanings + (UNSPECIFIED,) * count)[:count]


def _subsampling(directory: Directory, photometric: int, compression: int, layout: Layout) -> tuple[int, ...]:
    """Pixels that share their Cb and Cr, across and down; none where the decoder of JPEG knows."""
    stated = directory.numbers(_SUBSAMPLING, 2)
    if photometric != YCBCR or (not stated and compression in (JPEG, OLD_STYLE_JPEG)):
        return ()
    if not stated:
        whole = 3 * layout.width * layout.height
        return (1, 1) if compression == NONE and layout.sizes[0] >= whole else (2, 2)
    if len(stated) != 2 or not set(stated) <= {1, 2, 4}:
        raise ImageFormatInvalid
    if stated == (4, 4) and compression not in (JPEG, OLD_STYLE_JPEG):
        raise ImageFormatInvalid  # libtiff puts such blocks wrongly
    return stated


def _colour_map(directory: Directory, bits: int) -> tuple[int, ...]:
    """As many colours as `bits` can name; missing ones are black. Some writers give 8 bits for each."""
    values = directory.numbers(_COLOR_MAP, 3 << 16)
    if not values or bits > 16:
        raise ImageFormatInvalid
    scale = 257 if max(values) < 256 else 1
    each, most = len(values) // 3, 1 << bits
    channels = (values[channel * each : (channel + 1) * each][:most] for channel in range(3))
    colours = sum(((*channel, *(0,) * (most - len(channel))) for channel in channels), ())
    return colours if scale == 1 else tuple(value * scale for value in colours)


def _layout(directory: Directory, width: int, height: int, planes: int, file_bytes: int) -> Layout:
    """The strips or tiles, as many as the geometry has. Raises ImageFormatInvalid."""
    tiled = _TILE_OFFSETS in directory.entries and _STRIP_OFFSETS not in directory.entries
    offset_tag, size_tag = (_TILE_OFFSETS, _TILE_BYTES) if tiled else (_STRIP_OFFSETS, _STRIP_BYTES)
    if tiled:
        across, down = directory.number(_TILE_WIDTH, 0), directory.number(_TILE_HEIGHT, 0)
    else:
        strips = directory.entries[_STRIP_OFFSETS].count if _STRIP_OFFSETS in directory.entries else 1
        rows = directory.number(_ROWS_PER_STRIP, 0) or -(-height // max(1, strips // planes))
        across, down = width, min(height, rows)
    if across < 1 or down < 1:
        raise ImageFormatInvalid
    count = -(-width // across) * -(-height // down) * planes
    offsets = directory.numbers(offset_tag, count)
    if len(offsets) != count:
        raise ImageFormatInvalid
    sizes = directory.numbers(size_tag, count) or (0,) * count
    if len(sizes) != count:
        raise ImageFormatInvalid
    if any(offset > file_bytes for offset in offsets):
        raise ImageFormatInvalid(ImageFault.TRUNCATED)
    if not all(sizes):
        ordered = sorted(offsets)
        following = dict(zip(ordered, [*ordered[1:], file_bytes], strict=True))
        sizes = tuple(size or following[offset] - offset for offset, size in zip(offsets, sizes, strict=True))
    return Layout(offsets, sizes, across, down, tiled)
