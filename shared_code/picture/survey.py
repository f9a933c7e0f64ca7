"""The structure of a file, read before it is decoded, and the decoded file."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Coding:
    """ColourPrimaries and TransferCharacteristics, as ITU-T H.273 numbers them."""

    primaries: int
    transfer: int


@dataclass(frozen=True)
class ColourSpace:
    """The colour information of a file; the first that is present counts. Without any, colours are sRGB."""

    icc_profile: bytes | None = None
    gamma: float | None = None
    """Exponent of the encoding: sample = light ** gamma, both 0..1."""
    coding: Coding | None = None


@dataclass(frozen=True)
class Survey:
    """The structure of a file.

    `content` is all that the decoder gets: only the needed parts. `width` and `height` are
    the stored pixels, `orientation` (1..8, CIPA DC-008 4.6.4) makes them upright. `decoder_bytes` is what
    each decoding takes beside the pixels it makes, `pixel_bytes` what it takes for each pixel; None: as much
    as Pillow does.
    """

    content: bytes
    width: int
    height: int
    orientation: int = 1
    colour: ColourSpace = ColourSpace()
    decoder_bytes: int = 0
    pixel_bytes: float | None = None
    crop: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of what counts of the pixels that the decoder gives; None: all of them."""
    covered: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of the pixels that are stored; around them all is transparent."""
    alpha_may_be_unfilled: bool = False
    """Alpha that is 0 everywhere was never filled in, and counts as none."""


@dataclass(frozen=True)
class Stored:
    """A decoded file, not yet upright nor sRGB.

    `alpha`, mode L and of the image's size, is its opacity where the image does not carry that itself.
    """

    image: Image.Image
    has_alpha: bool
    alpha: Image.Image | None = None
