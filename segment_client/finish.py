"""From the answer's PNG to what was asked for: on a colour or a picture, in another format."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from segment_client.options import Format, Look

_WHITE = "#fff"
_QUALITY = 90
_SAVE = {Format.PNG: {}, Format.WEBP: {"quality": _QUALITY}, Format.JPEG: {"quality": _QUALITY}}

type _Ground = tuple[int, int, int] | Image.Image | None


class Finisher:
    """Makes results of one look. Raises ValueError when the background is neither a colour nor a picture."""

    def __init__(self, look: Look) -> None:
        self._format = look.format
        background = look.background
        if background is None and look.format is Format.JPEG:
            background = _WHITE
        self._ground = _ground(background)

    def __call__(self, answer: BinaryIO, result: BinaryIO) -> None:
        """Read the PNG at the start of `answer`, write the result. Raises OSError where either fails."""
        answer.seek(0)
        with PngImageFile(answer) as image:  # not Image.open, which refuses the largest mattes the API makes
            image.load()
            finished = image if image.mode == "L" or self._ground is None else self._on_ground(image)
            finished.save(result, self._format.name, **_SAVE[self._format])

    def _on_ground(self, image: Image.Image) -> Image.Image:
        if isinstance(self._ground, Image.Image):
            behind = ImageOps.fit(self._ground, image.size)
        else:
            behind = Image.new("RGB", image.size, self._ground)
        image = image.convert("RGBA")
        behind.paste(image, mask=image.getchannel("A"))
        return behind


def _ground(background: str | Path | None) -> _Ground:
    if background is None:
        return None
    if Path(background).is_file():
        return _picture(Path(background))
    try:
        red, green, blue, *alpha = ImageColor.getrgb(str(background))
    except ValueError as error:
        raise ValueError(f"the background is neither a colour nor a file: {background}") from error
    if alpha and alpha[0] != 255:
        raise ValueError(f"the background is not opaque: {background}")
    return red, green, blue


def _picture(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"the background is not a picture that can be read: {path}") from error
