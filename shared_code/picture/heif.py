"""HEIC and AVIF: extracts the primary picture from its container.

The decoder gets a file that is written here. It contains the primary item, its tiles and their alpha. It does
not contain thumbnails, gain maps, depth, other pictures, the video of a live photo or metadata, and has no
circular references. Rotation, cropping and colours are not in it either: they are applied here.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from PIL import AvifImagePlugin, Image
from PIL.Image import Resampling

from shared_code.errors import ImageFault, ImageFormatInvalid
from shared_code.picture import hevc
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.coding import rgb
from shared_code.picture.isobmff import Items, Property, boxes, read_items
from shared_code.picture.pillow import opened
from shared_code.picture.survey import Coding, ColourSpace, Stored, Survey

AVIF_PLUGIN = "AVIF"
_HEIC_CODEC, _AVIF_CODEC = b"hvc1", b"av01"
_DEPTH = 3
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_TURNS = (b"irot", b"imir", b"clap")
_KEPT = (b"ispe", b"pixi", b"hvcC", b"av1C", b"auxC", b"a1op", b"lsel", b"a1lx")
_HARMLESS = (b"pasp", b"rloc", b"clli", b"mdcv", b"cclv", b"amve", b"udes", b"altt", b"colr")
_PIXEL_BYTES = 14.0
"""What decoding takes for each pixel: planes of up to 16 bits, RGBA, and Pillow's copies of that."""

_MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, -1, 1, 0),
    7: (0, -1, -1, 0),
    8: (0, 1, -1, 0),
}
"""EXIF orientation to a matrix by rows, which maps x and y of a stored pixel; y grows downwards."""
_ROTATED = (1, 8, 3, 6)
"""EXIF orientations by the number of counterclockwise quarter turns."""
_MIRRORED = (4, 2)
"""By axis: exchanges top and bottom, or left and right (ISO/IEC 23008-12:2022, 6.5.12)."""


@dataclass(frozen=True)
class _Part:
    """An item of the file for the decoder, with the properties that it needs."""

    item: int
    kind: bytes
    properties: tuple[bytes, ...]
    content: bytes


def survey_heic(data: bytes) -> Survey:
    """Read the structure of a file with HEVC pictures. Raises ImageFormatInvalid."""
    return _survey(data, _HEIC_CODEC)


def survey_avif(data: bytes) -> Survey:
    """Read the structure of a file with AV1 pictures. Raises ImageFormatInvalid."""
    return _survey(data, _AVIF_CODEC)


def register_decoders() -> None:
    """Load the decoder of HEIC, if it is installed, and keep that of AVIF on the calling thread.

    Call this before a room's sandbox is built: inside, no file can be opened and no thread started.
    """
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if hevc.is_installed():
        hevc.library()


def load_avif(survey: Survey, _scale: int) -> Stored:
    """Decode with Pillow; its libavif joins tiles and alpha."""
    image = opened(survey.content, AVIF_PLUGIN)
    image.load()
    return _stored(image, survey)


def load_heic(survey: Survey, _scale: int) -> Stored:
    """Decode tile by tile with libde265, and join tiles and alpha."""
    items = read_items(survey.content)
    primary = items.primary
    image = _drawn(items, primary, _colours)
    alpha = _alpha_of(items).get(primary)
    if alpha is not None:
        opacity = _drawn(items, alpha, _luminance)
        if opacity.size != image.size:
            opacity = opacity.resize(image.size, Resampling.BILINEAR)
        is_premultiplied = alpha in items.references.get((b"prem", primary), ())
        image = Image.merge("RGBa" if is_premultiplied else "RGBA", (*image.split(), opacity))
    return _stored(image, survey)


def ends_early(data: bytes) -> bool:
    """Whether the last box is longer than what is left of the file."""
    *_, last = boxes(memoryview(data))
    return last.ends_early


def _stored(image: Image.Image, survey: Survey) -> Stored:
    has_alpha = image.has_transparency_data
    return Stored(image if survey.crop is None else image.crop(survey.crop), has_alpha)


def _drawn(items: Items, item: int, decoded: Callable[[Items, int, int], Image.Image]) -> Image.Image:
    """The image of a coded item; of a grid, its tiles row by row on one canvas."""
    if items.kinds[item] != b"grid":
        return decoded(items, item, item)
    columns = items.content(item)[3] + 1
    canvas = None
    for place, tile in enumerate(items.references[b"dimg", item]):
        image = decoded(items, tile, item)
        if canvas is None:
            canvas = Image.new(image.mode, _size(items, item))
        row, column = divmod(place, columns)
        canvas.paste(image, (column * image.width, row * image.height))
    if canvas is None:
        raise ImageFormatInvalid
    return canvas


def _planes(items: Items, item: int) -> hevc.Planes:
    """The decoded planes of a coded item. Raises ImageFormatInvalid if their size is not the stated one."""
    configuration = next((one for one in items.properties[item] if one.kind == b"hvcC"), None)
    if configuration is None or len(configuration.body) < 23:
        raise ImageFormatInvalid
    made = hevc.decode(bytes(configuration.body), items.content(item))
    if made.planes[0].shape[::-1] != _size(items, item):
        raise ImageFormatInvalid
    return made


def _luminance(items: Items, item: int, _whole: int) -> Image.Image:
    return Image.fromarray(_planes(items, item).planes[0])


def _colours(items: Items, item: int, whole: int) -> Image.Image:
    """Mode RGB. The colour codes of the item, or else of the grid `whole`, override the bitstream's."""
    made = _planes(items, item)
    said = _nclx(items.properties[item]) or _nclx(items.properties[whole])
    matrix, full_range = (said[2], said[3]) if said else (made.matrix, made.full_range)
    return rgb(made.planes, matrix, full_range)


def _survey(data: bytes, codec: bytes) -> Survey:
    items = read_items(data)
    primary = _base(items)
    members = _members(items, primary, codec)
    width, height = _size(items, primary)
    for item in members:
        if items.kinds[item] == b"grid":
            _check_grid(items, item, *_size(items, item))
    crop, orientation = _turns(items.properties[primary], width, height)
    colour = _colour(items.properties[primary])
    known: dict[bytes, bytes] = {}
    content = _file([_part(items, item, item == primary, known) for item in members], items, primary, codec)
    left, top, right, bottom = crop or (0, 0, width, height)
    cropped = width * height - (right - left) * (bottom - top)
    return Survey(
        content,
        right - left,
        bottom - top,
        orientation,
        colour,
        decoder_bytes=2 * len(content) + int(_PIXEL_BYTES * cropped),
        pixel_bytes=_PIXEL_BYTES,
        crop=crop,
    )


def _base(items: Items) -> int:
    """The primary item; if that applies a gain map (`tmap`), the picture that it applies it to."""
    if items.kinds.get(items.primary) != b"tmap":
        return items.primary
    return next(iter(items.references.get((b"dimg", items.primary), ())), 0)


def _members(items: Items, primary: int, codec: bytes) -> dict[int, tuple[int, ...]]:
    """The items of a picture, the primary one first, each with the items that it needs: tiles and alpha.

    Raises ImageFormatInvalid for circular references and items of another type.
    """
    alphas = _alpha_of(items)
    found: dict[int, tuple[int, ...]] = {}

    def add(item: int, above: tuple[int, ...]) -> None:
        if item in above or len(above) > _DEPTH:
            raise ImageFormatInvalid(ImageFault.HOSTILE)
        if item in found:
            return
        kind = items.kinds.get(item)
        if kind not in (codec, b"grid"):
            raise ImageFormatInvalid(ImageFault.OTHER_FORMAT if kind else ImageFault.CORRUPT)
        tiles = items.references.get((b"dimg", item), ()) if kind == b"grid" else ()
        found[item] = (*tiles, alphas[item]) if item in alphas else tiles
        for other in found[item]:
            add(other, (*above, item))

    add(primary, ())
    return found


def _alpha_of(items: Items) -> dict[int, int]:
    """Items to the items that are their alpha."""
    alphas: dict[int, int] = {}
    for (kind, item), targets in items.references.items():
        if kind == b"auxl" and _is_alpha(items.properties.get(item, ())):
            for target in targets:
                alphas.setdefault(target, item)
    return alphas


def _is_alpha(properties: Sequence[Property]) -> bool:
    return any(one.kind == b"auxC" and bytes(one.body[4:52]).startswith(_ALPHA) for one in properties)


def _size(items: Items, item: int) -> tuple[int, int]:
    for one in items.properties.get(item, ()):
        if one.kind == b"ispe":
            width, height = struct.unpack_from(">II", one.body, 4)
            return width, height
    raise ImageFormatInvalid


def _check_grid(items: Items, item: int, width: int, height: int) -> None:
    """Check that the tiles of a grid have one size and cover it (ISO/IEC 23008-12, 6.6.2.3)."""
    grid, tiles = items.content(item), items.references.get((b"dimg", item), ())
    rows, columns = grid[2] + 1, grid[3] + 1
    stated = struct.unpack_from(">II" if grid[1] & 1 else ">HH", grid, 4)
    sizes = {_size(items, tile) for tile in tiles}
    if len(tiles) != rows * columns or len(sizes) != 1 or stated != (width, height):
        raise ImageFormatInvalid
    ((tile_width, tile_height),) = sizes
    if tile_width * columns < width or tile_height * rows < height:
        raise ImageFormatInvalid


def _turns(
    properties: Sequence[Property], width: int, height: int
) -> tuple[tuple[int, int, int, int] | None, int]:
    """The crop of the stored picture (None: all of it), and the EXIF orientation that makes it upright."""
    crop, orientation = None, 1
    for one in properties:
        if one.kind == b"irot":
            orientation = _after(orientation, _ROTATED[one.body[0] & 3])
        elif one.kind == b"imir":
            orientation = _after(orientation, _MIRRORED[one.body[0] & 1])
        elif one.kind == b"clap":
            if orientation != 1 or crop:  # a picture is cropped first (ISO/IEC 23000-22, 7.3.6.7)
                raise ImageFormatInvalid
            crop = _clean_aperture(one, width, height)
    return (None if crop == (0, 0, width, height) else crop), orientation


def _after(first: int, second: int) -> int:
    """The orientation that is the same as `first` and then `second`."""
    a, b, c, d = _MATRICES[second]
    e, f, g, h = _MATRICES[first]
    product = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
    return next(value for value, matrix in _MATRICES.items() if matrix == product)


def _clean_aperture(clap: Property, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (ISO/IEC 14496-12, 12.1.4.1), within the picture."""
    numbers = struct.unpack_from(">IIIIiIiI", clap.body)
    if not all(numbers[1::2]):
        raise ImageFormatInvalid
    wide, high, across, down = (Fraction(*numbers[at : at + 2]) for at in (0, 2, 4, 6))
    left, top = (width - wide) / 2 + across, (height - high) / 2 + down
    edges = (
        max(0, round(left)),
        max(0, round(top)),
        min(width, round(left + wide)),
        min(height, round(top + high)),
    )
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        raise ImageFormatInvalid
    return edges


def _colour(properties: Sequence[Property]) -> ColourSpace:
    profile, coding = None, _nclx(properties)
    for one in properties:
        is_profile = one.kind == b"colr" and bytes(one.body[:4]) in (b"prof", b"rICC")
        if is_profile and profile is None and len(one.body) <= MOST_PROFILE_BYTES:
            profile = bytes(one.body[4:])
    return ColourSpace(profile, coding=coding and Coding(*coding[:2]))


def _nclx(properties: Sequence[Property]) -> tuple[int, int, int, bool] | None:
    """ColourPrimaries, TransferCharacteristics, MatrixCoefficients and VideoFullRangeFlag (ITU-T H.273)."""
    for one in properties:
        if one.kind == b"colr" and bytes(one.body[:4]) == b"nclx":
            primaries, transfer, matrix, flags = struct.unpack_from(">HHHB", one.body, 4)
            return primaries, transfer, matrix, flags >= 0x80
    return None


def _part(items: Items, item: int, is_primary: bool, known: dict[bytes, bytes]) -> _Part:
    """An item with the properties that its decoder needs. Equal properties are stored once, in `known`.

    Raises ImageFormatInvalid for an essential property that is unknown.
    """
    kept: list[bytes] = []
    for one in items.properties.get(item, ()):
        is_turn = one.kind in _TURNS
        is_coding = one.kind == b"colr" and bytes(one.body[:4]) == b"nclx"
        if one.kind in _KEPT or is_coding or (is_turn and not is_primary):
            flag = b"\1" if one.essential or is_turn else b"\0"
            made = flag + _box(one.kind, bytes(one.body))
            kept.append(known.setdefault(made, made))
        elif one.essential and not is_turn and one.kind not in _HARMLESS:
            raise ImageFormatInvalid
    return _Part(item, items.kinds[item], tuple(kept), items.content(item))


def _file(parts: Sequence[_Part], items: Items, primary: int, codec: bytes) -> bytes:
    """A file with these items only, renumbered."""
    numbers = {part.item: number for number, part in enumerate(parts, 1)}
    brands = b"avifmif1miaf" if codec == _AVIF_CODEC else b"heicmif1heix"
    known = list(dict.fromkeys(one[1:] for part in parts for one in part.properties))
    places = {one: place for place, one in enumerate(known, 1)}
    entries = b"".join(
        struct.pack(">HB", numbers[part.item], len(part.properties))
        + b"".join(struct.pack(">H", places[one[1:]] | one[0] << 15) for one in part.properties)
        for part in parts
    )
    information = b"".join(
        _box(
            b"infe",
            struct.pack(">IHH4sx", 2 << 24 | (part.item != primary), numbers[part.item], 0, part.kind),
        )
        for part in parts
    )
    head = _box(b"ftyp", brands[:4] + bytes(4) + brands)

    def meta(pixels_at: int) -> bytes:
        locations = b""
        for part in parts:
            size = len(part.content)
            locations += struct.pack(">HHHII", numbers[part.item], 0, 1, pixels_at, size)
            pixels_at += size
        return _box(
            b"meta",
            bytes(4)
            + _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + _box(b"pitm", struct.pack(">IH", 0, numbers[primary]))
            + _box(b"iloc", struct.pack(">IHH", 0, 0x4400, len(parts)) + locations)
            + _box(b"iinf", struct.pack(">IH", 0, len(parts)) + information)
            + _box(b"iref", bytes(4) + b"".join(_references(items, numbers)))
            + _box(
                b"iprp",
                _box(b"ipco", b"".join(known)) + _box(b"ipma", struct.pack(">II", 1, len(parts)) + entries),
            ),
        )

    before = head + meta(0)
    return head + meta(len(before) + 8) + _box(b"mdat", b"".join(part.content for part in parts))


def _references(items: Items, numbers: dict[int, int]) -> Iterator[bytes]:
    for (kind, item), targets in items.references.items():
        if kind not in (b"dimg", b"auxl", b"prem") or item not in numbers:
            continue
        wanted = [numbers[target] for target in targets if target in numbers]
        if wanted:
            content = struct.pack(f">HH{len(wanted)}H", numbers[item], len(wanted), *wanted)
            yield _box(kind, content)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
