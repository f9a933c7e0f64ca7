"""What this machine could do at best: memory, deflate and arithmetic, to hold the stages against."""

import numpy as np
from isal import isal_zlib

from bench.photos import sized
from bench.report import Table
from bench.timing import fastest
from shared_code.png import DEFLATE_LEVEL, PngColour, deflate_strip

_MEGABYTES = 48
_ROUNDS = 7


def run() -> list[Table]:
    """memcpy, deflate alone and filter + deflate, on the pixels of a 12 megapixel cut-out."""
    photo = np.asarray(sized(4000, 3000).convert("RGBA")).reshape(3000, -1)
    strips = [photo[top : top + 65] for top in range(0, 3000, 65)]
    target = np.empty_like(photo)
    copy = fastest(lambda: np.copyto(target, photo), _ROUNDS)

    filtered = [np.ascontiguousarray(strip[1:] - strip[:-1]) for strip in strips]
    plain = fastest(lambda: [isal_zlib.compress(strip, DEFLATE_LEVEL, -15) for strip in filtered], _ROUNDS)
    whole = fastest(lambda: [deflate_strip(strip, PngColour.RGBA) for strip in strips], _ROUNDS)
    rows = [
        ["memcpy", f"{copy * 1000:.1f}", f"{_MEGABYTES / copy / 1000:.1f}"],
        ["deflate alone (isal, level 1)", f"{plain * 1000:.0f}", f"{_MEGABYTES / plain / 1000:.2f}"],
        ["our filter + deflate + checksum", f"{whole * 1000:.0f}", f"{_MEGABYTES / whole / 1000:.2f}"],
    ]
    note = "48 MB, the RGBA pixels of 12 megapixels, one thread, fastest of 7."
    return [Table("Limits of the machine", note, ("step", "ms", "GB/s"), rows)]
