"""Image files that Pillow cannot write, or not in the form a test needs."""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

from PIL import ExifTags, Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def turned(image: Image.Image, form: str, orientation: int, **options: object) -> bytes:
    """The stored image with an EXIF orientation."""
    if form == "TIFF":
        return saved(image, form, tiffinfo={int(ExifTags.Base.Orientation): orientation}, **options)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return saved(image, form, exif=exif, **options)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG (W3C PNG, 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    *,
    bits: int = 8,
    colour_type: int = 2,
    pixels: bytes = b"",
    before: Sequence[bytes] = (),
    after: Sequence[bytes] = (),
) -> bytes:
    """A PNG with chunks in front of and behind its pixels; without `pixels` it is only a header's claim."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    stride = len(pixels) // height
    rows = b"".join(
        b"\0" + pixels[row * stride : (row + 1) * stride] for row in range(height if pixels else 0)
    )
    chunks = [png_chunk(b"IHDR", header), *before, png_chunk(b"IDAT", zlib.compress(rows)), *after]
    return PNG_MAGIC + b"".join(chunks) + png_chunk(b"IEND", b"")


def icon(*frames: tuple[int, int, int, bytes]) -> bytes:
    """An ICO of frames (width, height, bits in the directory, bytes); 256 is written as 0."""
    offset = 6 + 16 * len(frames)
    directory = struct.pack("<HHH", 0, 1, len(frames))
    for width, height, bits, data in frames:
        directory += struct.pack("<BBBBHHII", width % 256, height % 256, 0, 0, 1, bits, len(data), offset)
        offset += len(data)
    return directory + b"".join(data for *_, data in frames)


def icon_bitmap(image: Image.Image) -> bytes:
    """The 32-bit bitmap of an icon's frame: no file header, twice the height, bottom row first, a mask."""
    width, height = image.size
    header = struct.pack("<IiiHHIIiiII", 40, width, height * 2, 1, 32, 0, 0, 0, 0, 0, 0)
    mask = bytes((width + 31) // 32 * 4 * height)
    return (
        header
        + image.convert("RGBA").transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGRA")
        + mask
    )


def run_length_bitmap(side: int) -> bytes:
    """An 8-bit BMP of stripes under run-length encoding: small as a file, whatever its side."""
    runs = b"".join(bytes([min(255, side - left), 7]) for left in range(0, side, 255)) + b"\0\0"
    body = runs * side + b"\0\1"
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
    offset = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + header + palette + body


SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""XYZ of red, green and blue of sRGB, adapted to D50 (IEC 61966-2-1)."""


def icc_profile(space: str, gamma: float, primaries: Sequence[tuple[float, float, float]] = ()) -> bytes:
    """An ICC version 2 display profile (ICC.1:2001-04): RGB by a matrix and gamma, or GRAY by gamma."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65_536)) for value in values)

    white = (0.9642, 1.0, 0.8249)
    text = b"test profile\0"
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(*white),
    }
    for channel, primary in zip(b"rgb", primaries, strict=False):
        tags[bytes([channel]) + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*primary)
        tags[bytes([channel]) + b"TRC"] = curve
    if not primaries:
        tags[b"kTRC"] = curve
    table, data = struct.pack(">I", len(tags)), b""
    for kind, content in tags.items():
        table += kind + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    size = 128 + len(table) + len(data)
    head = struct.pack(">I4xI4s4s4s", size, 0x02100000, b"mntr", space.ljust(4).encode(), b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*white)
    return head.ljust(128, b"\0") + table + data


def jpeg_segments(data: bytes) -> list[bytes]:
    """The segments of a JPEG, the entropy-coded data with the scan it belongs to; without SOI and EOI."""
    at, segments = 2, []
    while data[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == 0xDA:
            while data[end] != 0xFF or data[end + 1] == 0 or 0xD0 <= data[end + 1] <= 0xD7:
                end += 1
        segments.append(data[at:end])
        at = end
    return segments


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """One marker segment (ITU T.81, B.1.1.4)."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_of(*segments: bytes) -> bytes:
    """A JPEG of these segments."""
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xd9"


def jpeg_in_three_scans(gray: Image.Image) -> bytes:
    """A sequential JPEG whose three colours, alike, come one after the other."""
    tables, scans = [], b""
    for segment in jpeg_segments(saved(gray, "JPEG")):
        if segment[1] == 0xC0:
            parts = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
            tables.append(jpeg_segment(0xC0, segment[4:9] + b"\3" + parts))
        elif segment[1] == 0xDA:
            coded = segment[2 + int.from_bytes(segment[2:4]) :]
            scans = b"".join(
                jpeg_segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + coded for number in (1, 2, 3)
            )
        else:
            tables.append(segment)
    return jpeg_of(*tables, scans)


def tiff_of(
    width: int,
    height: int,
    tags: Mapping[int, tuple[int, Sequence[int]]] | None = None,
    pixels: bytes | None = None,
    order: str = "<",
    big: bool = False,
) -> bytes:
    """A TIFF 6.0 or BigTIFF, by default 8-bit gray in one strip; `tags` are tag to field type and values."""
    pixels = bytes(width * min(height, 400)) if pixels is None else pixels
    begin = 16 if big else 8
    entries: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (8,)),
        259: (3, (1,)),
        262: (3, (1,)),
        273: (4, (begin,)),
        277: (3, (1,)),
        278: (4, (height,)),
        279: (4, (len(pixels),)),
    }
    if tags and 324 in tags:
        del entries[273], entries[278], entries[279]
    entries |= tags or {}
    word, inline, head = ("Q", 8, "Q") if big else ("I", 4, "H")
    place = begin + len(pixels)
    table, behind = struct.pack(order + head, len(entries)), b""
    first = place + len(table) + len(entries) * (4 + 2 * inline) + inline
    for tag, (kind, values) in sorted(entries.items()):
        code = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 16: "Q"}[kind]
        raw = struct.pack(f"{order}{len(values)}{code}", *values)
        table += struct.pack(order + "HH" + word, tag, kind, len(values) // (2 if kind == 5 else 1))
        table += (
            raw.ljust(inline, b"\0") if len(raw) <= inline else struct.pack(order + word, first + len(behind))
        )
        behind += raw if len(raw) > inline else b""
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(order + "HHHQ", 43, 8, 0, place) if big else struct.pack(order + "HI", 42, place)
    return mark + header + pixels + table + bytes(inline) + behind
