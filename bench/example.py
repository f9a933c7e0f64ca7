"""`python -m bench.example`: make the pictures of the docs, by the service and by rembg's server.

They are made of the page's samples and of photos that come with scikit-image, whose licences are in
docs/pictures.md.
"""

import io
from collections.abc import Mapping, Sequence

from PIL import Image

from bench.servers import SEGMENT_PATH, Server, both
from segment_function.pages.assets import HOME_ASSETS
from shared_code.modes import Mode
from tests.support.hosts import PROJECT
from tests.support.photos import encoded, photo

_FOLDER = PROJECT / "docs" / "images"
_SHEETS = {"example": "animal", "failure-close-up": "chelsea", "failure-thin": "camera"}
_SHEET_HEIGHT_PX = 400
_CELL_PX = (232, 174)
_GAP_PX = 6
_SQUARE_PX = 12
_LIGHT, _DARK = (240, 240, 240), (214, 214, 214)
_PAPER = (255, 255, 255)


def sources() -> dict[str, bytes]:
    """The six pictures, from good to bad."""
    return {
        **{name: HOME_ASSETS[f"sample-{name}.jpg"].read() for name in ("product", "portrait", "animal")},
        **{name: encoded("PNG", *photo(f"{name}.png").size, f"{name}.png") for name in ("camera", "chelsea")},
        "hard": HOME_ASSETS["sample-hard.jpg"].read(),
    }


def checkerboard(width: int, height: int) -> Image.Image:
    """What image editors show behind transparency."""
    board = Image.new("RGB", (width, height), _LIGHT)
    for top in range(0, height, _SQUARE_PX):
        for left in range(top % (2 * _SQUARE_PX), width, 2 * _SQUARE_PX):
            board.paste(_DARK, (left, top, left + _SQUARE_PX, top + _SQUARE_PX))
    return board


def on_checkerboard(picture: Image.Image) -> Image.Image:
    """The picture over what image editors show behind transparency."""
    board = checkerboard(*picture.size)
    board.paste(picture, (0, 0), picture.getchannel("A") if picture.mode == "RGBA" else None)
    return board


def made(ours: Server, source: bytes, mode: Mode) -> tuple[Image.Image, str]:
    """What the service makes of a picture, and its uncertainty."""
    path = SEGMENT_PATH.replace(Mode.BACKGROUND_REMOVAL, mode)
    headers = {"Content-Type": "application/octet-stream"}
    response = ours.client.post(path, content=source, headers=headers).raise_for_status()
    return Image.open(io.BytesIO(response.content)), response.headers["x-segment-uncertainty"]


def sheet(ours: Server, source: bytes) -> Image.Image:
    """Photo, cut-out on a checkerboard and matte side by side."""
    original = Image.open(io.BytesIO(source))
    panels = [original, *(made(ours, source, mode)[0] for mode in Mode)]
    size = (round(original.width * _SHEET_HEIGHT_PX / original.height), _SHEET_HEIGHT_PX)
    return row([on_checkerboard(panel.resize(size, Image.Resampling.LANCZOS)) for panel in panels])


def row(panels: Sequence[Image.Image]) -> Image.Image:
    """Panels of one height beside each other."""
    width = sum(panel.width + _GAP_PX for panel in panels) - _GAP_PX
    found = Image.new("RGB", (width, panels[0].height), _PAPER)
    left = 0
    for panel in panels:
        found.paste(panel, (left, 0))
        left += panel.width + _GAP_PX
    return found


def cell(picture: Image.Image) -> Image.Image:
    """The picture in a cell of the strip, whole."""
    scale = min(_CELL_PX[0] / picture.width, _CELL_PX[1] / picture.height)
    size = (round(picture.width * scale), round(picture.height * scale))
    found = Image.new("RGB", _CELL_PX, _PAPER)
    place = ((_CELL_PX[0] - size[0]) // 2, (_CELL_PX[1] - size[1]) // 2)
    found.paste(on_checkerboard(picture.resize(size, Image.Resampling.LANCZOS)), place)
    return found


def strip(ours: Server, peer: Server, pictures: Mapping[str, bytes]) -> Image.Image:
    """A column for each picture: from the top the photo, what this service makes of it, and the peer."""
    rows: list[list[Image.Image]] = [[], [], []]
    for name, source in pictures.items():
        cutout, uncertainty = made(ours, source, Mode.BACKGROUND_REMOVAL)
        print(f"{name}: uncertainty {uncertainty}", flush=True)
        theirs = Image.open(io.BytesIO(peer.cut_out(source)))
        for cells, picture in zip(rows, (Image.open(io.BytesIO(source)), cutout, theirs), strict=True):
            cells.append(cell(picture.convert("RGBA")))
    joined = [row(cells) for cells in rows]
    step = joined[0].height + _GAP_PX
    found = Image.new("RGB", (joined[0].width, len(joined) * step - _GAP_PX), _PAPER)
    for number, one in enumerate(joined):
        found.paste(one, (0, number * step))
    return found


def main() -> None:
    """Write the pictures of README.md, and those of docs/models.md that show what goes wrong."""
    pictures = sources()
    _FOLDER.mkdir(exist_ok=True)
    with both() as (peer, ours):
        found = {"six": strip(ours, peer, pictures)}
        for target, name in _SHEETS.items():
            found[target] = sheet(ours, pictures[name])
    for target, picture in found.items():
        picture.save(_FOLDER / f"{target}.jpg", quality=85, optimize=True, progressive=True)


if __name__ == "__main__":
    main()
