"""How many parts a file may have: a file with more parts than real pictures have is refused undecoded.

A decoder's time and memory follow its input's parts (scans, strips, segments), not the pixels they make.
Each cap is checked on a walk that costs well under a second for the largest file.
"""

import logging
from dataclasses import dataclass

from shared_code.errors import ImageFault, ImageFormatInvalid

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cap:
    """At most `most` of `what`; `reason` says why no real picture has more."""

    what: str
    most: int
    reason: str

    def check(self, count: int) -> None:
        """Raises ImageFormatInvalid when `count` is above the cap."""
        if count > self.most:
            log.info("image refused: more than %d %s", self.most, self.what)
            raise ImageFormatInvalid(ImageFault.HOSTILE)


PROFILE_BYTES = Cap("bytes of an ICC profile", 8 << 20, "the largest profiles, of printers, have about 4 MB")
"""A larger profile is ignored rather than refused: it carries no pixels."""
EXIF_ENTRIES = Cap("entries of an EXIF directory", 1024, "EXIF defines fewer than 200 tags")
"""Of a longer directory the first ones are read."""
TEXT_BYTES = Cap("bytes of a note that may hold an orientation", 1 << 20, "XMP packets have some kB")
"""Of a longer note the first ones are read."""
