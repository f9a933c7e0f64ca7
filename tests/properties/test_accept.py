"""Negotiation: whatever a caller accepts, he gets a format, and the one he gave the highest weight."""

from hypothesis import given
from hypothesis import strategies as st

from segment_function.accept import parse_accept, preferred
from shared_code.encode.answer_formats import ANSWER_FORMATS, PNG

TYPES = [row.media_type for row in ANSWER_FORMATS]
TOKENS = [
    "image/*",
    "*/*",
    "text/html",
    ";q=",
    ";q=0.5",
    "0",
    "1",
    ",",
    ";",
    '"',
    "\\",
    " ",
    "=",
    "a=b",
    *TYPES,
]
weights = st.integers(0, 1000)
spaces = st.sampled_from(["", " ", "\t", "  "])


def text_of(weight: int) -> str:
    return f"{weight / 1000:.3f}"


@given(st.one_of(st.text(), st.lists(st.sampled_from(TOKENS), max_size=30).map("".join)))
def test_anything_is_read(accept: str) -> None:
    assert preferred(accept) in ANSWER_FORMATS
    for found in parse_accept(accept):
        assert 0 <= found.weight <= 1
        assert found.type == found.type.lower()


@given(
    st.lists(weights, min_size=len(TYPES), max_size=len(TYPES)), st.permutations(range(len(TYPES))), spaces
)
def test_the_highest_weight_wins_in_any_order(given_to: list[int], order: list[int], space: str) -> None:
    accept = f"{space},{space}".join(f"{TYPES[at]}{space};{space}q={text_of(given_to[at])}" for at in order)
    best = max(given_to)
    expected = ANSWER_FORMATS[given_to.index(best)] if best else PNG
    assert preferred(accept) is expected


@given(weights, weights, weights)
def test_a_more_specific_range_counts(named: int, kind: int, anything: int) -> None:
    accept = f"*/*;q={text_of(anything)}, image/*;q={text_of(kind)}, image/webp;q={text_of(named)}"
    webp = named > 0 and named >= kind
    assert (preferred(accept).name == "webp") is webp


@given(st.lists(st.sampled_from(["*/*", "image/*", "text/html", "application/json", "image/jpeg"])), weights)
def test_no_format_named_is_png(ranges: list[str], weight: int) -> None:
    assert preferred(",".join(f"{one};q={text_of(weight)}" for one in ranges)) is PNG
