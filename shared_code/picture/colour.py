"""From a file's colours to sRGB. A profile is judged by its transform, never by its name."""

import io

import numpy as np
from PIL import Image, ImageCms

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.coding import srgb_table
from shared_code.picture.samples import WIDE, Convert
from shared_code.picture.survey import ColourSpace

SRGB_GAMMA = 1 / 2.2
_SAME_GAMMA = 0.05
"""Invisible relative difference of exponents; libpng's own threshold."""
_LEVELS = np.linspace(0, 255, 6).round().astype(np.uint8)
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
"""Modes with premultiplied alpha to those without, the only ones that Pillow converts them to."""
_PROFILED = {
    "L": ("1", "L", "LA", "La"),
    "RGB": ("P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "YCbCr", "HSV"),
    "CMYK": ("CMYK",),
    "LAB": ("LAB",),
}
"""The colour spaces of profiles, and the 8-bit modes of that kind."""
_SPACE = {mode: space for space, modes in _PROFILED.items() for mode in modes}


def srgb_converter(image: Image.Image, has_alpha: bool, colour: ColourSpace) -> Convert:
    """How to turn a strip of 8-bit samples of `image` into sRGB: mode RGB, or RGBA with straight alpha."""
    mode = "RGBA" if has_alpha else "RGB"
    transform = _icc_transform(image, colour.icc_profile)
    if transform is None:
        coding = None if colour.icc_profile else colour.coding
        table = srgb_table(coding) if coding else None
        if table is not None:
            return lambda strip: _converted(strip, mode).filter(table)
        curve = _gamma_curve(colour.gamma)
        return lambda strip: _curved(_converted(strip, mode), curve)

    def to_srgb(strip: Image.Image) -> Image.Image:
        colours = ImageCms.applyTransform(_profiled(strip), transform)
        if colours is None:
            raise ImageFormatInvalid
        if has_alpha:
            colours.putalpha(_converted(strip, "RGBA").getchannel("A"))
        return colours

    return to_srgb


def _converted(strip: Image.Image, mode: str) -> Image.Image:
    """The strip in L, RGB, RGBA, CMYK or LAB, from any 8-bit mode."""
    if strip.mode in _STRAIGHT:
        strip = strip.convert(_STRAIGHT[strip.mode])
    return strip if strip.mode == mode else strip.convert(mode)


def _curved(strip: Image.Image, curve: list[int] | None) -> Image.Image:
    if curve is None:
        return strip
    return strip.point(curve * 3 + (list(range(256)) if strip.mode == "RGBA" else []))


def _gamma_curve(gamma: float | None) -> list[int] | None:
    """sRGB levels (IEC 61966-2-1) of levels that were encoded as light ** gamma; None when they are alike."""
    if not gamma or abs(gamma / SRGB_GAMMA - 1) < _SAME_GAMMA:
        return None
    light = (np.arange(256) / 255) ** (1 / gamma)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return [int(level) for level in (encoded * 255 + 0.5).clip(0, 255)]


def _profiled(strip: Image.Image) -> Image.Image:
    """The strip in the colour space of its ICC profile, without palette and alpha."""
    space = _SPACE[strip.mode]
    if strip.mode == "P" and "transparency" in strip.info:
        strip = strip.convert("RGBA")  # Pillow warns if this step is left out
    return _converted(strip, space)


def _icc_transform(image: Image.Image, profile: bytes | None) -> ImageCms.ImageCmsTransform | None:
    """The transform from the embedded profile to sRGB; None when there is none, or it changes nothing.

    A profile that cannot be read, or is of another kind than the pixels, is ignored, as browsers do.
    """
    source_mode = "L" if image.mode in WIDE else _SPACE[image.mode]
    try:
        if source_mode == "LAB":
            source = ImageCms.createProfile("LAB")
        elif not profile:
            return None
        else:
            source = ImageCms.getOpenProfile(io.BytesIO(profile)).profile
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), source_mode, "RGB")
        return None if _changes_nothing(transform, source_mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether colours all over the cube stay within one level."""
    if mode == "RGB":
        cube = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS), -1).reshape(1, -1, 3)
        plain = Image.fromarray(cube)
    elif mode == "L":
        plain = Image.linear_gradient("L")
    else:
        return False
    changed = ImageCms.applyTransform(plain, transform)
    before, after = np.asarray(plain.convert("RGB"), np.int16), np.asarray(changed, np.int16)
    return bool(np.abs(before - after).max() <= 1)
