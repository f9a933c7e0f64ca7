"""Run-length encoding of Windows bitmaps (BI_RLE8 and BI_RLE4).

Pillow's own decoder of it is written in Python and appends pixel by pixel.
"""

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.caps import Cap

RUNS = Cap(
    "runs in a run-length bitmap", 1 << 21, "a run of one pixel takes more bytes than no encoding at all"
)

_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))


def decode_runs(data: bytes, width: int, height: int, bits: int) -> bytearray:
    """Indices, one byte each, rows in the order of the file, `bits` (8 or 4) to an index of it.

    What the runs skip is index 0. Raises ImageFormatInvalid when they end before the last pixel and
    without an end marker, or are more than RUNS.
    """
    indices = bytearray(width * height)
    pixels, end = len(indices), len(data) - 1
    runs_of = [_run(value, bits) for value in range(256)]
    at = runs = position = 0
    row_end = width
    while position < pixels:
        runs += 1
        if runs & 0xFFF == 0:
            RUNS.check(runs)
        if at >= end:
            raise ImageFormatInvalid
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            if count > row_end - position:
                count = max(0, row_end - position)
            if value:
                indices[position : position + count] = runs_of[value][:count]
            position += count
        elif value == 0:
            position, row_end = row_end, row_end + width
        elif value == 1:
            break
        elif value == 2:
            if at >= end:
                raise ImageFormatInvalid
            position += data[at] + data[at + 1] * width
            row_end += data[at + 1] * width
            at += 2
        else:
            count = max(0, min(value, row_end - position))
            size = value * bits + 7 >> 3
            if at + size > len(data):
                raise ImageFormatInvalid
            indices[position : position + count] = _literal(data[at : at + size], count, bits)
            position += count
            at += size + (size & 1)
    return indices


def _run(value: int, bits: int) -> bytes:
    """As long as a run can be, or longer."""
    return bytes((value,) if bits == 8 else (value >> 4, value & 15)) * 255


def _literal(packed: bytes, count: int, bits: int) -> bytes:
    if bits == 8:
        return packed[:count]
    return packed.hex().encode().translate(_DIGITS)[:count]
