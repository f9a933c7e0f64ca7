"""What a file is by its name. Letter case is ignored."""

import os

_TAKEN = ".jpg .jpeg .jpe .jfif .mpo .png .gif .bmp .dib .webp .ico .tif .tiff"
PICTURES = frozenset(_TAKEN.split())
"""Those of the formats that the service takes (docs/api.md)."""

_PHONES = ".heic .heif .heics .hif .avif .avifs .jxl"
_CAMERAS = """
    .dng .raw .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .iiq
    .erf .kdc .dcr .mrw .rwl
"""
_PROGRAMS = """
    .psd .psb .xcf .kra .afphoto .svg .svgz .eps .ai .cdr .emf .wmf .pict .icns .apng
    .jp2 .j2k .j2c .jpf .jpx .jpm .jls .jxr .hdp .wdp .qoi .tga .pcx .dds .exr .pbm .pgm .ppm .pnm .pam
    .xbm .xpm
"""
NOT_TAKEN = frozenset((_PHONES + _CAMERAS + _PROGRAMS).split())
"""Those of pictures that it does not take."""

_LONGEST_TOLD = 6


def suffix_of(name: str) -> str:
    """The part of a file's name from its last dot on, in lower case."""
    return os.path.splitext(name)[1].lower()


def told_suffix(name: str) -> str:
    """The suffix under which a file that was passed over is counted."""
    suffix = suffix_of(name)
    return suffix if 0 < len(suffix) <= _LONGEST_TOLD else "other"
