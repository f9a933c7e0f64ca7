"""Colour conversion by the codes of ITU-T H.273: YCbCr planes to RGB, and RGB to sRGB by a lookup table."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from PIL.ImageFilter import Color3DLUT

from shared_code.picture.survey import Coding

_SIDE = 65
"""Points of the lookup table on each axis; Pillow allows no more."""
_D65 = (0.3127, 0.3290)
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
_PRIMARIES: Final = {
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    9: ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), _D65),
    11: (*_P3, (0.314, 0.351)),
    12: (*_P3, _D65),
    22: ((0.63, 0.34), (0.295, 0.605), (0.155, 0.077), _D65),
}
"""ColourPrimaries (H.273, table 2) to the chromaticities of red, green, blue and white, except sRGB's."""
_LUMA: Final = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""MatrixCoefficients to the weights of red and blue in luma."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE_NITS = 203
"""Reference white of HDR (ITU-R BT.2408); in sRGB it is nearly white."""
_PEAK_NITS = 1000
_KNEE = 0.5
"""A share of white. Brighter light is compressed, so that highlights keep their detail."""

type Light = NDArray[np.float64]


@cache
def srgb_table(coding: Coding) -> Color3DLUT | None:
    """The table from 8-bit RGB in `coding` to 8-bit sRGB; None if `coding` is sRGB or unknown."""
    primaries, to_light = _PRIMARIES.get(coding.primaries), _TO_LIGHT.get(coding.transfer)
    if primaries is None and to_light is None:
        return None
    levels = np.linspace(0, 1, _SIDE)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")  # red changes first
    light = (to_light or _srgb_to_light)(np.stack([red, green, blue], -1))
    if primaries is not None:
        matrix = np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(primaries)
        light = (light[..., np.newaxis, :] * matrix).sum(-1)
    table = _light_to_srgb((_toned(light) if coding.transfer in _HDR else light).clip(0, 1))
    return Color3DLUT(_SIDE, table.astype(np.float32).ravel())


def rgb(planes: Sequence[NDArray[np.uint8]], matrix: int, full_range: bool) -> Image.Image:
    """Convert planes to an image of mode RGB.

    planes: Y, Cb and Cr, or Y alone for gray; uint8 (rows, columns). Chroma may be subsampled. matrix:
    MatrixCoefficients (H.273, table 4); unknown ones count as those of BT.601.
    """
    luma, *chroma = map(Image.fromarray, planes)
    coefficients = _yuv_to_rgb(matrix, full_range)
    middle = Image.new("L", luma.size, 128)  # the chroma of gray
    parts = [
        part if part.size == luma.size else part.resize(luma.size, Resampling.BILINEAR)
        for part in chroma or (middle, middle)
    ]
    return Image.merge("RGB", (luma, *parts)).convert("RGB", coefficients)


def _yuv_to_rgb(matrix: int, full_range: bool) -> tuple[float, ...]:
    """Three rows, each with the factors of Y, Cb and Cr and a constant, for levels 0..255 (H.273, 8.3)."""
    black, luma, chroma = (0, 1.0, 1.0) if full_range else (16, 255 / 219, 255 / 224)
    if matrix == 0:  # the planes are green, blue and red
        rows = [(0.0, 0.0, luma), (luma, 0.0, 0.0), (0.0, luma, 0.0)]
        return tuple(value for row in rows for value in (*row, -black * luma))
    red, blue = _LUMA.get(matrix, _LUMA[6])
    green = 1 - red - blue
    from_blue, from_red = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    rows = [
        (luma, 0.0, from_red),
        (luma, -from_blue * blue / green, -from_red * red / green),
        (luma, from_blue, 0.0),
    ]
    return tuple(value for y, u, v in rows for value in (y, u, v, -black * y - 128 * (u + v)))


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Light:
    """The matrix from linear RGB with these primaries to XYZ at D65; another white is adapted by Bradford."""
    columns = np.array([_xyz(place) for place in primaries]).T
    matrix: Light = columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])
    scale = np.diag((_BRADFORD @ _xyz(_D65)) / (_BRADFORD @ columns[:, 3]))
    return np.asarray(np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix)


def _xyz(place: tuple[float, float]) -> Light:
    x, y = place
    return np.array([x / y, 1, (1 - x - y) / y])


def _srgb_to_light(levels: Light) -> Light:
    """IEC 61966-2-1."""
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def _light_to_srgb(light: Light) -> Light:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq_to_light(levels: Light) -> Light:
    """PQ (SMPTE ST 2084) to linear light; 1 is reference white."""
    power = levels ** (32 / 2523)
    light: Light = np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)
    return light ** (8192 / 1305) * (10_000 / _WHITE_NITS)


def _hlg_to_light(levels: Light) -> Light:
    """HLG (ITU-R BT.2100) to linear light, on a display of 1000 nits; 1 is reference white."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(levels <= 0.5, levels**2 / 3, (np.exp((levels - c) / a) + b) / 12)
    luminance = (scene * (0.2627, 0.6780, 0.0593)).sum(-1, keepdims=True)
    return np.asarray(scene * luminance**0.2 * (_PEAK_NITS / _WHITE_NITS))


def _toned(light: Light) -> Light:
    """Tone mapping: light above the knee is compressed to below 1, with the same hue."""
    brightest = np.maximum(light.max(-1, keepdims=True), 1e-9)
    above = (brightest - _KNEE) / (1 - _KNEE)
    most = (_PEAK_NITS / _WHITE_NITS - _KNEE) / (1 - _KNEE)
    squeezed = _KNEE + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above)
    return np.asarray(light * np.where(brightest > _KNEE, squeezed / brightest, 1))


_HDR: Final = (16, 18)
_TO_LIGHT: Final[dict[int, Callable[[Light], Light]]] = {
    4: lambda levels: levels**2.2,
    5: lambda levels: levels**2.8,
    8: lambda levels: levels,
    16: _pq_to_light,
    18: _hlg_to_light,
}
"""By TransferCharacteristics (H.273, table 3). Those of television (1, 6, 14, 15) count as sRGB's."""
