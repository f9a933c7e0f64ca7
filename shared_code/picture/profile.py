"""An ICC profile of the colours that a file describes by numbers alone."""

import struct
from collections.abc import Sequence

import numpy as np

_SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_SRGB_EXPONENT = 2.2
_SAME_PLACE, _SAME_EXPONENT = 0.01, 0.05
"""Differences of chromaticities, and of exponents relative to each other, that nobody sees."""
_D65, _D50 = (0.95047, 1.0, 1.08883), (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""Linearised Bradford cone responses (ICC.1:2022, E.3)."""


def matrix_profile(primaries: Sequence[Sequence[float]], exponents: Sequence[float]) -> bytes | None:
    """A display profile (ICC.1:2001-04) of three primaries (X, Y, Z) and light = sample ** exponent for each.

    White is sRGB's, as browsers take it. None when the numbers describe no colours, or those of sRGB.
    """
    ends = np.array(primaries, np.float64).T
    sums = ends.sum(axis=0)
    if not ((ends >= 0).all() and (sums > 0).all() and all(0.1 <= exponent <= 10 for exponent in exponents)):
        return None
    places = ends / sums
    same_place = np.abs(places[:2].T - _SRGB_PRIMARIES).max() < _SAME_PLACE
    if same_place and all(abs(value / _SRGB_EXPONENT - 1) < _SAME_EXPONENT for value in exponents):
        return None
    if abs(np.linalg.det(places)) < 1e-4:
        return None
    to_xyz = places * np.linalg.solve(places, _D65)
    adapted = np.diag(_BRADFORD @ _D50 / (_BRADFORD @ _D65))
    return _profile(np.linalg.inv(_BRADFORD) @ adapted @ _BRADFORD @ to_xyz, exponents)


def _profile(to_d50: np.ndarray[tuple[int, ...], np.dtype[np.float64]], exponents: Sequence[float]) -> bytes:
    text = b"calibrated\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + _fixed(_D50),
    }
    for name, column, exponent in zip((b"r", b"g", b"b"), to_d50.T, exponents, strict=True):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(column)
        tags[name + b"TRC"] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256))
    table, values = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += tag + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(values), len(value))
        values += value + bytes(-len(value) % 4)
    size = 128 + len(table) + len(values)
    head = struct.pack(">I4xI4s4s4s12x4s28x", size, 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head + _fixed(_D50)).ljust(128, b"\0") + table + values


def _fixed(values: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
    """s15Fixed16Number for each."""
    return b"".join(struct.pack(">i", round(float(value) * 65_536)) for value in values)
