"""The limits of the wire contract on pictures and answers."""

MAX_IMAGE_BYTES = 20_971_520
"""Of a picture as it is sent, fetched or stored."""

MIN_SIDE_PX = 50
MAX_SIDE_PX = 16_000
"""Width and height of a picture, both ends allowed."""

MAX_CUTOUT_PIXELS = 16_000_000
"""Of a cut-out; larger ones are scaled down to it. A matte always has the size of its picture."""
