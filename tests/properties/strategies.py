"""What several properties are tried on."""

from hypothesis import strategies as st

EDGES = (0, 1, 2, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
"""Where counts, lengths and places go wrong."""


@st.composite
def chunked(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces, some of them empty."""
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8).map(sorted))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def damaged(draw: st.DrawFn, data: bytes, most: int = 4) -> bytes:
    """`data` after up to `most` accidents: bytes that change, go, come twice or come anew; an early end."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        last = max(0, len(changed) - 1)
        # Structure stands in front, so half of all accidents happen there.
        at = draw(st.one_of(st.integers(0, min(200, last)), st.integers(0, last)))
        size = draw(st.integers(1, 40))
        match draw(st.integers(0, 5)):
            case 0:
                changed[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                width = draw(st.sampled_from((1, 2, 4)))
                value = draw(st.sampled_from(EDGES)) & (1 << 8 * width) - 1
                changed[at : at + width] = value.to_bytes(width, draw(st.sampled_from(("big", "little"))))
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at:at] = draw(st.binary(max_size=40))
            case _:
                del changed[at:]
    return bytes(changed)
