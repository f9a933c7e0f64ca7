"""Boxes and items. What very many of them cost is tested in real rooms (`room/test_more_formats.py`)."""

import struct

import pytest

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.header import open_source
from shared_code.picture.isobmff import read_items
from tests.shared_code.picture.heif_samples import Item, box, file, size

CODED = Item(b"hvc1", bytes(100), (size(64, 64),))


def meta(*boxes: bytes) -> bytes:
    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    parts = {
        b"pitm": box(b"pitm", struct.pack(">IH", 0, 1)),
        b"iloc": box(b"iloc", struct.pack(">IHH", 0, 0x4400, 0)),
        b"iinf": box(b"iinf", struct.pack(">IH", 0, 0)),
        b"iprp": box(b"iprp", box(b"ipco")),
    } | {one[4:8]: one for one in boxes}
    return head + box(b"meta", bytes(4), *parts.values())


HOSTILE = {
    "a box within its head": box(b"ftyp", b"heic", bytes(4)) + b"\0\0\0\x04meta",
    "a box of 0 bytes that is long": box(b"ftyp", b"heic", bytes(4)) + struct.pack(">I4sQ", 1, b"meta", 3),
    "items by the billion": meta(box(b"iinf", struct.pack(">II", 1 << 24, 0xFFFF_FFFF))),
    "places by the billion": meta(box(b"iloc", struct.pack(">IHI", 2 << 24, 0x4400, 0xFFFF_FFFF))),
    "numbers of 3 bytes": meta(box(b"iloc", struct.pack(">IHH", 0, 0x3300, 1), bytes(20))),
    "properties by the billion": meta(box(b"iprp", box(b"ipma", struct.pack(">II", 0, 0xFFFF_FFFF)))),
    "a property that is not there": meta(
        box(b"iprp", box(b"ipco"), box(b"ipma", struct.pack(">IIHBB", 0, 1, 1, 1, 5)))
    ),
    "a list that is cut short": meta(box(b"iref", bytes(4), box(b"dimg", struct.pack(">HH", 1, 1000)))),
    "no items": meta(),
    "nothing": box(b"ftyp", b"heic", bytes(4)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_structures(what: str) -> None:
    with pytest.raises(ImageFormatInvalid):
        open_source(HOSTILE[what])


def test_pieces_are_joined() -> None:
    data = bytearray(file({1: CODED}))
    at = data.index(b"iloc") + 4 + 8
    pieces = struct.pack(">HHHIIII", 1, 0, 2, 8, 4, 0, 4)
    data[at - 8 + 8 : at + 14] = pieces
    places = box(b"iloc", struct.pack(">IHH", 0, 0x4400, 1), pieces)
    whole = file({1: CODED})
    start = whole.index(b"iloc") - 4
    moved = whole[:start] + places + whole[start + 8 + 8 + 14 :]
    meta_at = moved.index(b"meta") - 4
    grown = struct.unpack_from(">I", moved, meta_at)[0] + len(places) - (8 + 8 + 14)
    moved = moved[:meta_at] + struct.pack(">I", grown) + moved[meta_at + 4 :]
    assert read_items(moved).content(1) == moved[8:12] + moved[0:4]


def test_numbers_of_more_than_65535_items() -> None:
    first, second = 70_000, 70_001
    infos = [
        box(b"infe", struct.pack(">IIH4sx", 3 << 24, item, 0, kind))
        for item, kind in ((first, b"hvc1"), (second, b"Exif"))
    ]
    found = read_items(
        meta(
            box(b"pitm", struct.pack(">II", 1 << 24, first)),
            box(
                b"iloc",
                struct.pack(">IHI", 2 << 24, 0x4400, 2),
                struct.pack(">IHHHII", first, 1, 0, 1, 2, 3),
                struct.pack(">IHHHII", second, 1, 0, 1, 5, 4),
            ),
            box(b"iinf", struct.pack(">II", 1 << 24, 2), *infos),
            box(
                b"iprp",
                box(b"ipco", size(64, 48), size(32, 24)),
                box(b"ipma", struct.pack(">II", 1 << 24 | 1, 1), struct.pack(">IBHH", first, 2, 0x8002, 1)),
            ),
            box(b"iref", struct.pack(">I", 1 << 24), box(b"cdsc", struct.pack(">IHI", second, 1, first))),
            box(b"idat", b"0123456789"),
        )
    )
    assert found.primary == first
    assert found.kinds == {first: b"hvc1", second: b"Exif"}
    assert (found.content(first), found.content(second)) == (b"234", b"5678")
    assert found.references == {(b"cdsc", second): (first,)}
    assert [(one.body[4:].hex(), one.essential) for one in found.properties[first]] == [
        (struct.pack(">II", 32, 24).hex(), True),
        (struct.pack(">II", 64, 48).hex(), False),
    ]


def test_a_piece_of_no_size_goes_on_to_the_end() -> None:
    inside = box(b"idat", b"0123456789")
    places = box(b"iloc", struct.pack(">IHH", 1 << 24, 0x4400, 1), struct.pack(">HHHHII", 1, 1, 0, 1, 4, 0))
    assert read_items(meta(places, inside)).content(1) == b"456789"
