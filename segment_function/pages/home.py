"""The home page: its file, with the accepted formats filled in from their table."""

from segment_function.pages.assets import HOME_PAGE
from shared_code.picture.formats import FORMATS, format_names


def home_page() -> bytes:
    """The page as it is served, in UTF-8."""
    types = [row.media_type for row in FORMATS]
    endings = [ending for row in FORMATS for ending in row.endings]
    page = HOME_PAGE.read()
    for name, value in (("{accept}", ",".join(types + endings)), ("{formats}", format_names())):
        page = page.replace(name.encode(), value.encode())
    return page
