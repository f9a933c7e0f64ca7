"""What a walk over a file's structure found, before a decoder sees it, and what loading then gives."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class ColourSpace:
    """What the file says of its colours; with neither, they are sRGB."""

    icc_profile: bytes | None = None
    gamma: float | None = None
    """Exponent of the encoding: sample = light ** gamma, both 0..1."""


@dataclass(frozen=True)
class SampleRange:
    """How samples wider than 8 bits are to be read."""

    white: int | None = None
    """The sample that is white, where the format tells; None: found from the samples."""
    white_is_zero: bool = False
    no_data: float | None = None
    """A sample that stands for none."""


@dataclass(frozen=True)
class Survey:
    """The structure of a file, within its caps.

    `content` is all that a decoder is given: only what was walked and is needed. `width` and `height` are
    the stored pixels, `orientation` (1..8, CIPA DC-008 4.6.4) makes them upright. `decoder_bytes` is what
    each decoding takes beside the pixels it makes, `pixel_bytes` what it takes for each pixel; None: as much
    as Pillow does.
    """

    content: bytes
    width: int
    height: int
    orientation: int = 1
    colour: ColourSpace = ColourSpace()
    samples: SampleRange = SampleRange()
    decoder_bytes: int = 0
    pixel_bytes: float | None = None
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
