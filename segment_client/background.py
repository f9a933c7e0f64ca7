"""The background that is put behind cut-outs: a colour, or a picture read as the service reads pictures.

Like every picture of the service it is turned upright, and its colours become those of sRGB.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageColor, ImageOps

_SRGB_GAMMA = 1 / 2.2


@dataclass(frozen=True)
class Background:
    """`fill`: an sRGB colour, or a picture of mode RGB in sRGB. `identity` differs for each fill."""

    fill: tuple[int, int, int] | Image.Image
    identity: str

    def of_size(self, size: tuple[int, int]) -> Image.Image:
        """A new picture, mode RGB, scaled and cropped to fit."""
        if isinstance(self.fill, Image.Image):
            return ImageOps.fit(self.fill, size)
        return Image.new("RGB", size, self.fill)


def read_background(given: str | Path) -> Background:
    """The file of a picture, or a colour as CSS writes it. Raises ValueError for what is neither."""
    if Path(given).is_file():
        return _picture(Path(given))
    try:
        red, green, blue, *alpha = ImageColor.getrgb(str(given))
    except ValueError as error:
        raise ValueError(f"the background is neither a colour nor a file: {given}") from error
    if alpha and alpha[0] != 255:
        raise ValueError(f"the background is not opaque: {given}")
    return Background((red, green, blue), f"rgb({red},{green},{blue})")


def _picture(path: Path) -> Background:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            fill = _opaque_srgb(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the background is not a picture that can be read: {path}") from error
    return Background(fill, hashlib.sha256(data).hexdigest())


def _opaque_srgb(image: Image.Image) -> Image.Image:
    """Mode RGB; what is transparent shows white."""
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    colours = _in_srgb(_of_8_bits(image), image.info)
    opaque = Image.new("RGB", image.size, "white")
    opaque.paste(colours, mask=alpha)
    return opaque


def _of_8_bits(image: Image.Image) -> Image.Image:
    """To mode L, RGB, CMYK or LAB, without alpha. Pillow itself would clip 16-bit gray at 255."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda level: level * (1 / 257) + 0.5).convert("L")
    if image.mode in ("1", "LA", "La"):
        return image.convert("LA" if image.mode == "La" else image.mode).convert("L")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode == "F":
        raise ValueError("floating point")
    return image.convert("RGBA" if image.has_transparency_data else "RGB").convert("RGB")


def _in_srgb(colours: Image.Image, info: dict[str | tuple[int, int], object]) -> Image.Image:
    """By the embedded profile, or by PNG's gAMA. A profile that does not fit the pixels is ignored."""
    profile = info.get("icc_profile")
    try:
        if colours.mode == "LAB":
            source = ImageCms.createProfile("LAB")
        elif isinstance(profile, bytes) and profile:
            source = ImageCms.getOpenProfile(io.BytesIO(profile)).profile
        else:
            return _without_gamma(colours.convert("RGB"), info)
        converted = ImageCms.profileToProfile(
            colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return colours.convert("RGB")
    return converted or colours.convert("RGB")


def _without_gamma(image: Image.Image, info: dict[str | tuple[int, int], object]) -> Image.Image:
    """sRGB levels (IEC 61966-2-1) of levels that were encoded as light ** gamma (W3C PNG, 11.3.2.2)."""
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or "srgb" in info or not 0.1 < gamma < 2:
        return image
    if abs(gamma / _SRGB_GAMMA - 1) < 0.05:
        return image
    lights = ((level / 255) ** (1 / gamma) for level in range(256))
    encoded = (
        12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055 for light in lights
    )
    return image.point([round(255 * level) for level in encoded] * 3)
