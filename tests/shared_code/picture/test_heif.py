"""HEIC and AVIF: the primary picture, its size before it is decoded, turned, cropped, tiled, with alpha."""

import io
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from shared_code.errors import ImageDimensionNotAllowed, ImageFault, ImageFormatInvalid
from shared_code.picture import hevc
from shared_code.picture.decoding import DecodedImage, decode
from shared_code.picture.formats import AVIF, HEIC, Format, begins_as
from shared_code.picture.header import open_source
from shared_code.picture.heif import register_decoders
from tests.shared_code.picture.heif_samples import (
    ALPHA,
    Item,
    avif,
    box,
    encoded,
    file,
    grid,
    heic,
    icc,
    items_of,
    nclx,
    size,
)
from tests.support.photos import photo

CODECS = pytest.mark.parametrize("codec", ["heic", "avif"])
ROWS: dict[str, Format] = {"heic": HEIC, "avif": AVIF}
SIZE = (192, 128)
PHOTO = photo().resize(SIZE)

register_decoders()


def pixels(data: bytes) -> NDArray[np.int16]:
    """What is read: int16 (height, width, 3 or 4), upright sRGB."""
    return np.asarray(rows_of(decode(open_source(data), 1)), np.int16)


def rows_of(picture: DecodedImage) -> Image.Image:
    return picture.rows(0, picture.height, picture.width, picture.height)


def difference(data: bytes, expected: Image.Image) -> float:
    found = pixels(data)
    assert found.shape[1::-1] == expected.size
    return float(np.abs(found - np.asarray(expected)).mean())


def with_property(data: bytes, codec: str, *properties: bytes) -> bytes:
    items = items_of(data)
    changed = {1: replace(items[1], properties=(*items[1].properties, *properties))}
    return file(items | changed, brand=codec.encode())


@CODECS
def test_a_photo(codec: str) -> None:
    data = encoded(codec, PHOTO)
    assert begins_as(data) is ROWS[codec]
    source = open_source(data)
    assert (source.width, source.height, source.scalable) == (*SIZE, False)
    assert difference(data, PHOTO) < 4


@CODECS
@pytest.mark.parametrize("sides", [(51, 77), (64, 50), (333, 51)])
def test_odd_sizes(codec: str, sides: tuple[int, int]) -> None:
    assert difference(encoded(codec, photo().resize(sides)), photo().resize(sides)) < 6


@CODECS
@pytest.mark.parametrize("mode", ["L", "RGBA", "LA"])
def test_gray_and_alpha(codec: str, mode: str) -> None:
    image = PHOTO.convert("L" if mode[0] == "L" else "RGB").convert(mode.replace("A", "") or mode)
    if mode[-1] == "A":
        image.putalpha(Image.radial_gradient("L").resize(SIZE))
    data = encoded(codec, image)
    assert decode(open_source(data), 1).has_alpha == (mode[-1] == "A")
    assert difference(data, image.convert("RGBA" if mode[-1] == "A" else "RGB")) < 4


@CODECS
def test_premultiplied_alpha(codec: str) -> None:
    image = PHOTO.copy()
    image.putalpha(128)
    items = items_of(encoded(codec, image))
    assert [item.kind for item in items.values()] == [items[1].kind] * 2
    items[1] = replace(items[1], references={b"prem": [2]})
    found = pixels(file(items, brand=codec.encode()))
    expected = np.minimum(255, np.asarray(PHOTO, np.int32) * 255 // 128)
    assert abs(found[..., 3] - 128).max() <= 2
    assert np.abs(found[..., :3] - expected).mean() < 5


@pytest.mark.parametrize("bits", [10, 12])
def test_more_than_8_bits(bits: int) -> None:
    wide = np.asarray(PHOTO, np.uint16) * 257
    image = pillow_heif.from_bytes("RGB;16", SIZE, wide.tobytes())
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        out = io.BytesIO()
        image.save(out, quality=95)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    data = out.getvalue()
    assert difference(data, PHOTO) < 4


@pytest.mark.parametrize("chroma", [420, 422, 444])
@pytest.mark.parametrize(("matrix", "full_range"), [(1, 1), (6, 1), (9, 1), (6, 0), (1, 0)])
def test_planes_of_every_kind(chroma: int, matrix: int, full_range: int) -> None:
    data = heic(PHOTO, chroma=chroma, matrix_coefficients=matrix, full_range_flag=full_range)
    assert difference(data, PHOTO) < 4


def test_planes_of_green_blue_and_red() -> None:
    assert difference(heic(PHOTO, chroma=444, matrix_coefficients=0, quality=-1), PHOTO) < 1


ORIENTATIONS = {
    (): 1,
    (b"\0irot",): 1,
    (b"\1irot",): 8,
    (b"\2irot",): 3,
    (b"\3irot",): 6,
    (b"\0imir",): 4,
    (b"\1imir",): 2,
    (b"\1irot", b"\0imir"): 5,
    (b"\1irot", b"\1imir"): 7,
    (b"\3irot", b"\0imir"): 7,
    (b"\3irot", b"\1imir"): 5,
    (b"\1imir", b"\1irot"): 5,
}


@CODECS
@pytest.mark.parametrize("turns", ORIENTATIONS)
def test_orientation(codec: str, turns: tuple[bytes, ...]) -> None:
    properties = [box(turn[1:], turn[:1]) for turn in turns]
    source = open_source(with_property(encoded(codec, PHOTO), codec, *properties))
    assert source.orientation == ORIENTATIONS[turns]
    assert (source.width, source.height) == (SIZE if ORIENTATIONS[turns] < 5 else SIZE[::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_encoders_write_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    assert open_source(avif(PHOTO, exif=exif)).orientation == orientation


def clap(width: int, height: int, across: tuple[int, int] = (0, 1), down: tuple[int, int] = (0, 1)) -> bytes:
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, *across, *down))


@CODECS
def test_a_clean_aperture_is_cropped_to(codec: str) -> None:
    whole = encoded(codec, PHOTO)
    data = with_property(whole, codec, clap(100, 60, (-40, 2), (10, 1)), box(b"irot", b"\1"))
    left, top = (192 - 100) // 2 - 20, (128 - 60) // 2 + 10
    found, expected = pixels(data), np.rot90(pixels(whole)[top : top + 60, left : left + 100])
    assert (open_source(data).width, open_source(data).height) == (60, 100)
    np.testing.assert_array_equal(found, expected)


@CODECS
@pytest.mark.parametrize(
    "properties",
    [
        [clap(100, 60, (1000, 1))],
        [clap(100, 60, (1, 0))],
        [box(b"irot", b"\1"), clap(100, 60)],
        [clap(150, 90), clap(100, 60)],
    ],
    ids=["outside", "by 0", "after a turn", "twice"],
)
def test_turns_that_are_none(codec: str, properties: list[bytes]) -> None:
    with pytest.raises(ImageFormatInvalid):
        open_source(with_property(encoded(codec, PHOTO), codec, *properties))


def tiled(
    codec: str, *, rows: int = 2, columns: int = 3, width: int = 180, height: int = 120
) -> dict[int, Item]:
    """A grid of tiles of 64 x 64; the grid is item 1."""
    canvas = photo().resize((width, height))
    whole = Image.new("RGB", (64 * columns, 64 * rows))
    whole.paste(canvas)
    tiles: dict[int, Item] = {}
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        part = whole.crop((64 * column, 64 * row, 64 * column + 64, 64 * row + 64))
        tiles |= items_of(encoded(codec, part), first=2 + place)
    head = Item(b"grid", grid(rows, columns, width, height), (size(width, height),), {b"dimg": list(tiles)})
    return {1: head} | tiles


@CODECS
def test_a_grid_of_tiles(codec: str) -> None:
    data = file(tiled(codec), brand=codec.encode())
    assert (open_source(data).width, open_source(data).height) == (180, 120)
    assert difference(data, photo().resize((180, 120))) < 5


@CODECS
def test_what_is_beside_the_primary_picture_does_not_matter(codec: str) -> None:
    """Thumbnails, gain maps, depth, metadata, other pictures: their bytes are not even in what is decoded."""
    kind = items_of(encoded(codec, PHOTO))[1].kind
    gain = b"urn:com:apple:photo:2020:aux:hdrgainmap\0"
    others = {
        7: Item(kind, b"not a picture", (size(32, 32),), {b"thmb": [1]}),
        8: Item(kind, b"not a picture", (size(96, 64), box(b"auxC", bytes(4), gain)), {b"auxl": [1]}),
        9: Item(b"Exif", bytes(4) + b"Exif\0\0secret", (), {b"cdsc": [1]}),
        10: Item(b"tmap", b"secret", (size(*SIZE),), {b"dimg": [1, 8]}),
        11: Item(kind, b"not a picture", (size(4000, 4000),)),
    }
    plain = items_of(encoded(codec, PHOTO))
    data = file(plain | others, brand=codec.encode(), before=box(b"moov", b"a film"))
    assert b"secret" in data
    assert open_source(data).survey.content == open_source(file(plain, brand=codec.encode())).survey.content
    assert difference(data, PHOTO) < 4
    toned = file(plain | others, primary=10, brand=codec.encode())
    assert difference(toned, PHOTO) < 4


def test_a_burst_is_its_primary_picture() -> None:
    other = photo("coffee.png").resize(SIZE)
    burst = items_of(heic(other)) | items_of(heic(PHOTO), first=2)
    assert difference(file(burst, primary=2), PHOTO) < 4


def test_an_animation_is_its_primary_picture() -> None:
    other = photo("coffee.png").resize(SIZE)
    data = avif(PHOTO, save_all=True, append_images=[other])
    assert data[8:12] == b"avis"
    assert difference(data, PHOTO) < 4


@CODECS
def test_a_profile_is_applied(codec: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # of another kind: ignored
    data = with_property(encoded(codec, PHOTO), codec, nclx(12, 13), icc(profile))
    assert open_source(data).survey.colour.icc_profile == profile
    assert difference(data, PHOTO) < 4


@CODECS
def test_wide_colours(codec: str) -> None:
    plain = np.full((64, 64, 3), (200, 60, 60), np.uint8)
    data = encoded(codec, Image.fromarray(plain))
    as_srgb, as_p3 = (pixels(with_property(data, codec, nclx(p, 13)))[32, 32] for p in (1, 12))
    assert as_p3[0] > as_srgb[0] + 5  # the same numbers are a stronger red in P3
    assert as_p3[1] < as_srgb[1]


BAD: dict[str, Callable[[dict[int, Item]], tuple[dict[int, Item], int]]] = {
    "no primary": lambda items: (items, 99),
    "a circle": lambda items: (items | {2: replace(items[1], references={b"dimg": [1] * 6})}, 1),
    "itself": lambda items: (items | {1: replace(items[1], references={b"dimg": [1] * 6})}, 1),
    "alpha in a circle": lambda items: (
        items
        | {1: replace(items[1], properties=(*items[1].properties, box(b"auxC", bytes(4), ALPHA)))}
        | {1: replace(items[1], references={b"dimg": items[1].references[b"dimg"], b"auxl": [1]},
                      properties=(*items[1].properties, box(b"auxC", bytes(4), ALPHA)))},
        1,
    ),
    "too few tiles": lambda items: (items | {1: replace(items[1], references={b"dimg": [2, 3]})}, 1),
    "tiles too small": lambda items: (
        items | {1: replace(items[1], content=grid(2, 3, 1800, 1200), properties=(size(1800, 1200),))},
        1,
    ),
    "another size": lambda items: (items | {1: replace(items[1], properties=(size(180, 121),))}, 1),
    "no size": lambda items: (items | {1: replace(items[1], properties=())}, 1),
    "tiles of two sizes": lambda items: (
        items | {2: replace(items[2], properties=(size(65, 64), *items[2].properties[1:]))},
        1,
    ),
    "a grid of grids": lambda items: (
        items
        | {20: Item(b"grid", grid(1, 1, 180, 120), (size(180, 120),), {b"dimg": [21]})}
        | {21: Item(b"grid", grid(1, 1, 180, 120), (size(180, 120),), {b"dimg": [22]})}
        | {22: Item(b"grid", grid(1, 1, 180, 120), (size(180, 120),), {b"dimg": [23]})}
        | {23: Item(b"grid", grid(1, 1, 180, 120), (size(180, 120),), {b"dimg": [24]})}
        | {24: Item(b"grid", grid(1, 1, 180, 120), (size(180, 120),), {b"dimg": [1]})},
        20,
    ),
}  # fmt: skip


@CODECS
@pytest.mark.parametrize("what", BAD)
def test_structures_that_are_refused(codec: str, what: str) -> None:
    items, primary = BAD[what](tiled(codec))
    with pytest.raises(ImageFormatInvalid):
        open_source(file(items, primary, codec.encode()))


@CODECS
def test_tiles_that_are_smaller_than_they_say(codec: str) -> None:
    """Whatever they say, no more is decoded than is there."""
    head, *tiles = tiled(codec).items()
    larger = {
        number: replace(item, properties=(size(9000, 9000), *item.properties[1:])) for number, item in tiles
    }
    with pytest.raises(ImageFormatInvalid):
        decode(open_source(file(dict([head]) | larger, brand=codec.encode())), 1)


@CODECS
def test_a_size_that_is_not_allowed(codec: str) -> None:
    items = items_of(encoded(codec, PHOTO))
    for sides in ((49, 50), (16_001, 50)):
        properties = (size(*sides), *(one for one in items[1].properties if one[4:8] != b"ispe"))
        with pytest.raises(ImageDimensionNotAllowed):
            open_source(file({1: replace(items[1], properties=properties)}, brand=codec.encode()))


def test_a_size_that_is_a_lie() -> None:
    """libavif brings the picture to the size that is stated."""
    items = items_of(heic(PHOTO))
    properties = (size(100, 100), *(one for one in items[1].properties if one[4:8] != b"ispe"))
    with pytest.raises(ImageFormatInvalid):
        decode(open_source(file({1: replace(items[1], properties=properties)})), 1)


@CODECS
def test_an_essential_property_that_is_not_known(codec: str) -> None:
    data = with_property(encoded(codec, PHOTO), codec, box(b"wxyz", b"?"))
    assert open_source(data).width == SIZE[0]
    place = data.index(b"ipma")
    count = len(items_of(encoded(codec, PHOTO))[1].properties) + 1
    at = place + 4 + 8 + 3 + 2 * (count - 1)
    with pytest.raises(ImageFormatInvalid):
        open_source(data[:at] + bytes([data[at] | 0x80]) + data[at + 1 :])


@CODECS
def test_pictures_of_another_codec(codec: str) -> None:
    other = "avif" if codec == "heic" else "heic"
    with pytest.raises(ImageFormatInvalid) as raised:
        open_source(file(items_of(encoded(other, PHOTO)), brand=codec.encode()))
    assert raised.value.fault is ImageFault.OTHER_FORMAT


@CODECS
@pytest.mark.parametrize("kept", [0.02, 0.1, 0.5, 0.95, 0.999])
def test_a_file_that_ends_early(codec: str, kept: float) -> None:
    data = encoded(codec, PHOTO)
    with pytest.raises(ImageFormatInvalid):
        open_source(data[: int(kept * len(data))])


def test_without_its_decoder_heic_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hevc.is_installed()
    monkeypatch.setattr(hevc, "find_spec", lambda _: None)
    assert not hevc.is_installed()
