"""Pictures with their true mattes, in folders beside the project."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

_SOFT_SHARE = 0.01


@dataclass(frozen=True)
class Sample:
    """A picture with its true matte."""

    data: bytes
    rgb: Image.Image
    """Upright."""
    truth: NDArray[np.uint8]
    """uint8, (height, width)."""

    @property
    def is_soft(self) -> bool:
        """Whether the true matte is a matte: a mask has a line of partial pixels at most."""
        partial = (self.truth > 0) & (self.truth < 255)
        return bool(partial.mean() > _SOFT_SHARE and (self.truth == 255).any())


def set_names(folder: Path) -> tuple[str, ...]:
    """The sets of a folder: each has `image/` and `alpha/`, pictures and mattes of the same stems."""
    return tuple(sorted(path.name for path in folder.iterdir() if (path / "image").is_dir()))


def samples(folder: Path) -> Iterator[Sample]:
    """The pictures of one set that have a matte of their own size."""
    for path in sorted((folder / "image").iterdir()):
        alpha = folder / "alpha" / f"{path.stem}.png"
        if not alpha.is_file():
            continue
        data = path.read_bytes()
        rgb = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        truth = Image.open(alpha)
        gray = truth.getchannel("A") if truth.mode in ("RGBA", "LA") else truth.convert("L")
        if gray.size == rgb.size:
            yield Sample(data, rgb, np.asarray(gray))
