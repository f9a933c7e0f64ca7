"""Run-length encoding of Windows bitmaps (BI_RLE8 and BI_RLE4).

Pillow's own decoder of it is written in Python and appends pixel by pixel.
"""

import struct

from shared_code.errors import ImageFormatInvalid

_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))
_RUNS_BYTES = 256
"""Of runs that are joined at a time; more would often be looked at in vain."""


def decode_runs(data: bytes, width: int, height: int, bits: int) -> bytearray:
    """Indices, one byte each, rows in the order of the file, `bits` (8 or 4) to an index of it.

    What the runs skip is index 0. Raises ImageFormatInvalid when they end before the last pixel and
    without an end marker.
    """
    indices = bytearray(width * height)
    pixels, end = len(indices), len(data) - 1
    run_of = _Runs(bits).__getitem__
    at = position = 0
    row_end = width
    while position < pixels:
        if at >= end:
            raise ImageFormatInvalid
        if data[at]:
            number, run = 1, run_of(data[at] | data[at + 1] << 8)
            if at + 2 < end and data[at + 2]:  # there are more
                counts = data[at : min(at + _RUNS_BYTES, end) : 2]
                number = counts.find(0) % (len(counts) + 1)  # all of them, if there is no 0
                run = b"".join(map(run_of, struct.unpack_from(f"<{number}H", data, at)))
            run = run[: max(0, row_end - position)]
            indices[position : position + len(run)] = run
            position += len(run)
            at += 2 * number
            continue
        value = data[at + 1]
        at += 2
        if value == 0:
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


class _Runs(dict[int, bytes]):
    """The pixels of a run, by the number that its two bytes are, which are made when they first occur."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def __missing__(self, run: int) -> bytes:
        value, count = divmod(run, 256)
        each = (value,) if self._bits == 8 else (value >> 4, value & 15)
        self[run] = pixels = (bytes(each) * count)[:count]
        return pixels


def _literal(packed: bytes, count: int, bits: int) -> bytes:
    if bits == 8:
        return packed[:count]
    return packed.hex().encode().translate(_DIGITS)[:count]
