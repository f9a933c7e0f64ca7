"""Which format of the answer a caller prefers: `Accept` by RFC 9110, 12.5.1.

There is always a format. It is PNG where `Accept` is absent or names none of the formats, and where it has
only wildcards, because callers of the retired service expect PNG.
"""

import re
from typing import Final, NamedTuple

from shared_code.encode.answer_formats import ANSWER_FORMATS, PNG, AnswerFormat

_TCHARS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# An unclosed quote extends to the end, so that the text is searched only once.
_ELEMENT: Final = re.compile(r'(?s)(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+')
_RANGE: Final = re.compile(rf"({_TCHARS})/({_TCHARS})")
_PARAMETER: Final = re.compile(rf"[ \t]*;[ \t]*(?:({_TCHARS})=({_TCHARS}|{_QUOTED}))?")
_WEIGHT: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class MediaRange(NamedTuple):
    """`type/subtype` in lower case, `*` for any, and its weight 0 .. 1."""

    type: str
    subtype: str
    weight: float

    def specificity(self, media_type: str) -> int | None:
        """How exactly it names a media type: 2 by name, 1 by `type/*`, 0 by `*/*`; None where it does not."""
        kind, _, subtype = media_type.partition("/")
        ours = [("*", "*"), (kind, "*"), (kind, subtype)]
        named = (self.type, self.subtype)
        return ours.index(named) if named in ours else None


def preferred(accept: str) -> AnswerFormat:
    """The format for a request whose field `Accept` is that; several fields are joined by commas."""
    ranges = parse_accept(accept)
    best, best_rank = PNG, (0.0, False)
    for row in ANSWER_FORMATS:
        rank = _rank(row, ranges)
        if rank > best_rank:  # at equal ranks the earlier row stays
            best, best_rank = row, rank
    return best


def parse_accept(accept: str) -> list[MediaRange]:
    """The valid ranges. A range with parameters is left out, since no format here has any."""
    parsed = (_media_range(element.strip(" \t")) for element in _ELEMENT.findall(accept))
    return [found for found in parsed if found]


def _rank(row: AnswerFormat, ranges: list[MediaRange]) -> tuple[float, bool]:
    """The weight that the most specific range gives to a format, and whether that range names it."""
    matching = [
        (specificity, found.weight)
        for found in ranges
        if (specificity := found.specificity(row.media_type)) is not None
    ]
    specificity, weight = max(matching, default=(0, 0.0))
    return (weight, specificity == 2) if weight else (0.0, False)


def _media_range(element: str) -> MediaRange | None:
    head = _RANGE.match(element)
    if head is None:
        return None
    at, weight = head.end(), 1.0
    while at < len(element):
        parameter = _PARAMETER.match(element, at)
        if parameter is None:
            return None
        at = parameter.end()
        name, value = parameter.groups()
        if name is None:  # lists may contain empty parameters
            continue
        if name.lower() != "q" or not _WEIGHT.fullmatch(value):
            return None
        weight = float(value)
        break  # what follows a weight says nothing about the type
    return MediaRange(head[1].lower(), head[2].lower(), weight)
