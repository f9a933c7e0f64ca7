"""HEIC and AVIF in real rooms: behind the wall no thread can be made and no file read."""

import random
import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from shared_code import pipeline
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFault,
    ImageFormatInvalid,
    ImageTooLargeForInstance,
)
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.modes import Mode
from shared_code.picture.formats import FORMATS, MORE_FORMATS
from shared_code.pipeline import Style
from shared_code.room.rooms import Rooms
from tests.shared_code.matte.networks import FlatNetwork
from tests.shared_code.picture.heif_samples import Item, box, encoded, file, grid, items_of, size
from tests.shared_code.picture.test_heif import tiled
from tests.shared_code.picture.test_isobmff import meta
from tests.support.campaign import some
from tests.support.photos import photo
from tests.support.rooms import header_of, rooms

pytestmark = pytest.mark.slow

CODECS = pytest.mark.parametrize("codec", ["heic", "avif"])
DAMAGED = 25


def with_more() -> Rooms:
    return Rooms(rooms().zygote, 2, (*FORMATS, *MORE_FORMATS))


def colours(data: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """All rows of a picture, read in a room."""
    where = with_more()
    arrived = where.read(data)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    picture = arrived.open(pipeline.work(planned, FlatNetwork(), len(data)))
    try:
        pipeline.make_cutout(planned, picture, FlatNetwork(), Style(edge_colour="source"))
        size = planned.width, planned.height
        tops = range(0, planned.height, planned.strip_rows)
        strips = []
        for top in tops:
            with picture.colours(top, min(top + planned.strip_rows, size[1]), *size) as words:
                strips.append(words.copy())
        return np.concatenate(strips)
    finally:
        picture.close()
        picture.wait_until_gone()


@CODECS
@pytest.mark.parametrize("is_tiled", [False, True], ids=["whole", "tiled"])
def test_a_picture(codec: str, is_tiled: bool) -> None:
    image = photo().resize((180, 120))
    data = file(tiled(codec), brand=codec.encode()) if is_tiled else encoded(codec, image)
    found = colours(data).view(np.uint8).reshape(120, 180, 4)[..., :3]
    assert np.abs(found.astype(int) - np.asarray(image)).mean() < 5


@CODECS
def test_it_is_refused_where_it_is_not_asked_for(codec: str) -> None:
    with pytest.raises(ImageFormatInvalid) as raised:
        header_of(encoded(codec, photo().resize((64, 64))))
    assert raised.value.fault is ImageFault[codec.upper()]


@CODECS
def test_damage_is_refused_or_read(codec: str) -> None:
    image = photo().resize((180, 120))
    alpha = image.copy()
    alpha.putalpha(Image.radial_gradient("L").resize(image.size))
    wholes = [encoded(codec, image), encoded(codec, alpha), file(tiled(codec), brand=codec.encode())]
    dice = random.Random(7)
    for round_ in range(DAMAGED):
        data = bytearray(wholes[round_ % len(wholes)])
        reach = len(data) if round_ % 2 else min(len(data), 900)  # the structure, or anything
        for _ in range(dice.choice([1, 2, 8, 40])):
            data[dice.randrange(12, reach)] = dice.choice([0, 1, 127, 128, 255, dice.randrange(256)])
        with suppress(ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance):
            colours(bytes(data))


def part(width: int, height: int, *properties: bytes) -> Item:
    return Item(b"hvc1", b"x", (size(width, height), *properties))


def grid_of(tiles: int, width: int, height: int, tile: Item) -> bytes:
    """A picture of one row of tiles."""
    numbers = list(range(2, 2 + tiles))
    head = Item(b"grid", grid(1, tiles, width, height), (size(width, height),), {b"dimg": numbers})
    return file({1: head} | dict.fromkeys(numbers, tile))


def larger_than_it_says(codec: str, side: int) -> bytes:
    """A tile of `side` x `side` behind a picture of 64 x 64."""
    tiles = items_of(encoded(codec, Image.new("RGB", (side, side))), first=2)
    head = Item(b"grid", grid(1, 1, 64, 64), (size(64, 64),), {b"dimg": list(tiles)})
    return file({1: head} | tiles, brand=codec.encode())


LARGE = box(b"hvcC", bytes(1 << 20))
MANY: dict[str, Callable[[], bytes]] = {
    "boxes": lambda: box(b"ftyp", b"heic", bytes(4), b"mif1heic") + 2_499_000 * box(b"free"),
    "extents of no bytes": lambda: meta(
        box(b"iloc", struct.pack(">IHH", 0, 0, 65_535), 65_535 * struct.pack(">HHH", 1, 0, 65_535))
    ),
    "references": lambda: meta(
        box(
            b"iref",
            bytes(4),
            *(box(b"dimg", struct.pack(">HH", 1, 60_000), bytes(120_000)) for _ in range(160)),
        )
    ),
    "properties": lambda: meta(
        box(
            b"iprp",
            box(b"ipco", box(b"free")),
            box(b"ipma", struct.pack(">II", 0, 65_535), 65_535 * (struct.pack(">HB", 1, 255) + b"\1" * 255)),
        )
    ),
    "items": lambda: file(dict.fromkeys(range(1, 20_000), part(64, 64))),
    "tiles": lambda: grid_of(255, 16_000, 64, part(64, 64)),
    "large properties": lambda: file(dict.fromkeys(range(1, 4000), part(64, 64, LARGE))),
    "large properties of tiles": lambda: grid_of(255, 16_000, 64, part(64, 64, LARGE)),
    "more coded pixels than it says": lambda: larger_than_it_says("heic", 800),
    "the same in AVIF": lambda: larger_than_it_says("avif", 3000),
}


@pytest.mark.parametrize("make", some(MANY, 2))
def test_very_many_parts_end_with_their_room(make: Callable[[], bytes]) -> None:
    """As many as 20 MB have: what costs more than a picture is refused, or read within its plan."""
    data = make()
    assert len(data) <= MAX_IMAGE_BYTES
    with suppress(ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance):
        colours(data)
