"""HEIC and AVIF files to test with: written by encoders, or put together box by box from what those wrote."""

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pillow_heif
from PIL import Image

from shared_code.picture.isobmff import read_items

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


def heic(image: Image.Image, **options: object) -> bytes:
    """A file as libheif writes it with x265."""
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, **{"quality": 95, **options})
    return out.getvalue()


def avif(image: Image.Image, **options: object) -> bytes:
    """A file as libavif writes it."""
    out = io.BytesIO()
    image.save(out, "AVIF", **{"quality": 95, "speed": 10, **options})
    return out.getvalue()


def encoded(codec: str, image: Image.Image, **options: object) -> bytes:
    """One or the other."""
    return heic(image, **options) if codec == "heic" else avif(image, **options)


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of these parts."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def nclx(primaries: int, transfer: int, matrix: int = 6, *, full_range: bool = True) -> bytes:
    """The property that numbers colours."""
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, full_range << 7))


def icc(profile: bytes) -> bytes:
    """The property that has a profile."""
    return box(b"colr", b"prof", profile)


def size(width: int, height: int) -> bytes:
    """The property of an item's size in pixels."""
    return box(b"ispe", bytes(4), struct.pack(">II", width, height))


def grid(rows: int, columns: int, width: int, height: int) -> bytes:
    """The content of an item that is made of tiles."""
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)


@dataclass(frozen=True)
class Item:
    """An item of a file: `properties` are whole boxes; those after `essential` of them are essential."""

    kind: bytes
    content: bytes = b""
    properties: Sequence[bytes] = ()
    references: Mapping[bytes, Sequence[int]] = field(default_factory=dict)


def items_of(data: bytes, first: int = 1) -> dict[int, Item]:
    """The coded items of a file, numbered from `first` on, without what turns them or names their colours."""
    found = read_items(data)
    wanted = [number for number, kind in found.kinds.items() if kind in (b"hvc1", b"av01")]
    numbers = {number: place for place, number in enumerate(wanted, first)}
    return {
        numbers[number]: Item(
            found.kinds[number],
            found.content(number),
            tuple(
                box(one.kind, bytes(one.body))
                for one in found.properties[number]
                if one.kind in (b"ispe", b"pixi", b"hvcC", b"av1C", b"auxC")
            ),
            {
                kind: [numbers[target] for target in targets]
                for (kind, item), targets in found.references.items()
                if item == number and all(target in numbers for target in targets)
            },
        )
        for number in wanted
    }


def file(
    items: Mapping[int, Item], primary: int = 1, brand: bytes = b"heic", *, before: bytes = b""
) -> bytes:
    """A file of these items; `before` are boxes that stand before the others."""
    properties = list(dict.fromkeys(one for item in items.values() for one in item.properties))
    associations = b"".join(
        struct.pack(">HB", number, len(item.properties))
        + b"".join(struct.pack(">H", properties.index(one) + 1) for one in item.properties)
        for number, item in items.items()
    )
    infos = b"".join(
        box(b"infe", struct.pack(">IHH4sx", 2 << 24, number, 0, item.kind)) for number, item in items.items()
    )
    references = b"".join(
        box(kind, struct.pack(f">HH{len(targets)}H", number, len(targets), *targets))
        for number, item in items.items()
        for kind, targets in item.references.items()
    )
    head = box(b"ftyp", brand, bytes(4), b"mif1", brand) + before

    def meta(at: int) -> bytes:
        places = b""
        for number, item in items.items():
            places += struct.pack(">HHHII", number, 0, 1, at, len(item.content))
            at += len(item.content)
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", struct.pack(">IH", 0, primary)),
            box(b"iloc", struct.pack(">IHH", 0, 0x4400, len(items)), places),
            box(b"iinf", struct.pack(">IH", 0, len(items)), infos),
            box(b"iref", bytes(4), references),
            box(
                b"iprp",
                box(b"ipco", *properties),
                box(b"ipma", struct.pack(">II", 1, len(items)), associations),
            ),
        )

    pixels = b"".join(item.content for item in items.values())
    return head + meta(len(head + meta(0)) + 8) + box(b"mdat", pixels)
