"""The home page: its file, with the accepted formats and the networks filled in."""

from collections.abc import Sequence
from html import escape

from segment_function.pages.assets import HOME_PAGE
from shared_code.picture.formats import FORMATS, Format, format_names


def home_page(networks: Sequence[str], formats: Sequence[Format] = FORMATS) -> bytes:
    """The page as it is served, in UTF-8.

    `networks`: what callers can choose, the default first. `formats`: those of pictures that are accepted.
    """
    types = [row.media_type for row in formats]
    endings = [ending for row in formats for ending in row.endings]
    default, *others = map(escape, networks)
    choices = [f'<option value="">{default}</option>', *(f"<option>{name}</option>" for name in others)]
    filled = {
        "{accept}": ",".join(types + endings),
        "{formats}": format_names(formats),
        "{hidden}": "" if others else "hidden",
        "{networks}": "".join(choices),
    }
    page = HOME_PAGE.read()
    for name, value in filled.items():
        page = page.replace(name.encode(), value.encode())
    return page
