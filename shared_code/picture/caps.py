"""Limits for metadata. All other costs of a file are bounded by its room, see docs/decisions/0009."""

from typing import Final

MOST_PROFILE_BYTES: Final = 8 << 20
"""A larger ICC profile is ignored; the largest, of printers, have about 4 MB."""
MOST_TEXT_BYTES: Final = 1 << 20
"""Of a note that may hold an orientation the first ones are read; XMP packets have some kB."""
