"""Makes the result from the answer: on a canvas, on a colour or a picture, in another format."""

import zlib
from typing import Any, BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from segment_client.background import Background, read_background
from segment_client.canvas import put_on
from segment_client.errors import Broken
from segment_client.options import QUALITY, Format, Look, Mode

_WHITE = "#fff"


class Finisher:
    """Makes results of one look. Raises ValueError when the background is neither a colour nor a picture.

    `identity` differs if the same picture would give different files.
    """

    def __init__(self, look: Look) -> None:
        self._format = look.format
        self._canvas = look.canvas
        self._mode = "L" if look.mode is Mode.FOREGROUND_MATTING else "RGBA"
        self._options: dict[str, Any] = (
            {} if look.format is Format.PNG else {"quality": look.quality or QUALITY}
        )
        given = look.background
        if given is None and look.format is Format.JPEG:
            given = _WHITE
        self._background: Background | None = None if given is None else read_background(given)
        behind = self._background.identity if self._background else ""
        quality = "" if look.format is Format.PNG else str(look.quality or QUALITY)
        # PNG adds nothing, so that records from before there was a choice stay valid.
        transferred = () if look.transferred is Format.PNG else (f"by {look.transferred}",)
        placed = (repr(look.canvas),) if look.canvas else ("crop",) if look.crop else ()
        self.identity = " ".join((look.mode, look.model, look.format, quality, behind, *transferred, *placed))

    def __call__(self, answer: BinaryIO, result: BinaryIO) -> str:
        """Read the PNG or WEBP at the start of `answer`, write the result. Raises OSError where that fails.

        The result is sRGB, without profile and metadata. Returns a note on it, or "".
        """
        image, note = _read(answer, self._mode), ""
        if self._canvas is not None:
            image, note = put_on(self._canvas, image)
        if self._mode == "RGBA" and self._background is not None:
            image = _composed(image, self._background)
        image.info = {}
        image.save(result, self._format.name, **self._options)
        return note


def _read(answer: BinaryIO, mode: str) -> Image.Image:
    answer.seek(0)
    plugin = WebPImageFile if answer.read(4) == b"RIFF" else PngImageFile
    answer.seek(0)
    try:
        with plugin(answer) as image:  # Image.open would refuse the largest mattes of the API
            image.load()
            return image if image.mode == mode else image.convert(mode)
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise Broken("The answer is a picture that cannot be read.") from error


def _composed(cutout: Image.Image, background: Background) -> Image.Image:
    behind = background.of_size(cutout.size)
    behind.paste(cutout, mask=cutout.getchannel("A"))
    return behind
