"""Names of a job's outputs, and names that cannot belong to a picture.

The ending is added to the whole name, so that `a.jpg` and `a.png` have outputs of their own.
"""

import re

from shared_code.encode.answer_formats import PNG, AnswerFormat

_SEPARATOR = re.compile(r"[/\\]")  # Blob Storage takes one for the other


def picture_name(name: str, format: AnswerFormat = PNG) -> str:
    """The cut-out of the blob `name`, where that format is asked for."""
    return name + format.ending


def error_name(name: str) -> str:
    """The document that says why the blob `name` has no cut-out."""
    return name + ".error.json"


def is_folder(name: str) -> bool:
    """Whether the name is one that tools give to an empty blob that stands for a folder."""
    return _SEPARATOR.fullmatch(name[-1:]) is not None


def is_addressable(name: str) -> bool:
    """Whether a URL can lead to the blob `name`.

    HTTP clients resolve the segments `.` and `..` (RFC 3986 section 5.2.4), however they are escaped: a
    request for `a/../b` would read or write `b`.
    """
    return not {".", ".."} & set(_SEPARATOR.split(name))
