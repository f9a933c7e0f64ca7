"""Which way up a file is, by its notes; a note that is none says nothing."""

import struct

import pytest

from shared_code.picture.exif import exif_orientation, orientation, xmp_orientation

XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def entry(value: int, *, order: str = "<", tag: int = 0x112, kind: int = 3, count: int = 1) -> bytes:
    code = {1: "B3x", 3: "H2x", 4: "I", 9: "i"}[kind]
    return struct.pack(f"{order}HHI{code}", tag, kind, count, value)


def block(*entries: bytes, order: str = "<", stated: int | None = None) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = len(entries) if stated is None else stated
    return mark + struct.pack(f"{order}IH", 8, count) + b"".join(entries)


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation(value: int, kind: int, order: str, prefix: bytes) -> None:
    assert exif_orientation(prefix + block(entry(value, kind=kind, order=order), order=order)) == value


@pytest.mark.parametrize(
    "data",
    [
        block(entry(0)),
        block(entry(9)),
        block(entry(6, kind=9)),
        block(entry(6, count=2)),
        block(entry(6, tag=0x113)),
        block(),
        block(entry(6))[:-1],
        block(entry(6), stated=0),
        b"XX" + block(entry(6))[2:],
        b"",
        *(block(entry(6))[:size] for size in range(2, 10)),
        b"II*\0" + struct.pack("<I", 1 << 31),
    ],
    ids=lambda data: data.hex(),
)
def test_a_block_that_says_nothing(data: bytes) -> None:
    assert exif_orientation(data) is None


def test_one_entry_of_many() -> None:
    others = [entry(3, tag=tag) for tag in (0x100, 0x111, 0x113)]
    assert exif_orientation(block(*others, entry(8))) == 8
    assert exif_orientation(block(*others, entry(8), stated=60_000)) == 8
    assert exif_orientation(block(*others, entry(8), stated=3)) is None


def test_exif_counts_before_xmp() -> None:
    assert xmp_orientation(XMP) == 6
    assert xmp_orientation(XMP.replace(b"6", b"9")) is None
    assert orientation(block(entry(3)), XMP) == 3
    assert orientation(block(entry(0)), XMP) == 6
    assert orientation(None, XMP) == 6
    assert orientation(block(entry(0)), None) == orientation(None, b"") == 1
