"""THIRD_PARTY.md: the licences of what is shipped, in tables."""

from collections.abc import Iterable, Sequence

from inventory.components import ROOT, Component, Kind
from model_build.manifest import load_manifest

PAGE = ROOT / "THIRD_PARTY.md"

_TEXT = """# What is shipped that others made

`make licences` writes this page; a test compares it with what is pinned and installed. The service itself
is [MIT](LICENSE).

## Python packages

They are pinned in `requirements.txt`, and part of the deployment package and of the container image. Each
wheel brings the text of its licence, in its `.dist-info` folder or beside its code. Some wheels contain
compiled libraries, under licences that their own files list: Pillow the image codecs, NumPy OpenBLAS,
cryptography OpenSSL, ONNX Runtime those of its `ThirdPartyNotices.txt`.

{packages}

These are added only where somebody asks for more formats
([docs/settings.md](docs/settings.md#formats-of-pictures)):

{optional}

## Scripts and fonts

{scripts}

Its bundle contains libraries under MIT and similar licences. All other scripts, the styles and the icon of
the pages were written for this project, and no font is shipped: the pages use the system's.

## Networks

`make model` fetches the weights and builds the networks; a deployment package or an image contains what was
built. The networks are changed: quantized to 8 bits, with corrected biases and optimised graphs. The text of
Apache-2.0 is at https://www.apache.org/licenses/LICENSE-2.0.

{networks}

These are fetched only when somebody names them:

{on_request}

## Pictures

Samples on the page. [docs/pictures.md](docs/pictures.md) says what they show, and lists the pictures of the
documentation.

{pictures}

## In the container image only

Python and Debian, from the image `python:3.13-slim`. Their licences are in the image, below `/usr/share/doc`
and in Python's `LICENSE.txt`.
"""


def page(components: Sequence[Component]) -> str:
    """The text of the page."""

    def of(kind: Kind) -> list[Component]:
        return [component for component in components if component.kind is kind]

    return _TEXT.format(
        packages=_table(
            ("package", "version", "licence"),
            ((one.name, one.version, one.licence) for one in of(Kind.PACKAGE) if not one.optional),
        ),
        optional=_table(
            ("package", "version", "licence"),
            ((one.name, one.version, one.licence) for one in of(Kind.PACKAGE) if one.optional),
        ),
        scripts=_table(
            ("what", "version", "licence", "from"),
            ((one.name, one.version, one.licence, ", ".join(one.needed_by)) for one in of(Kind.SCRIPT)),
        ),
        networks=_table(
            ("network", "licence", "from"),
            ((one.name, one.licence, f"{one.source} {one.version}".strip()) for one in of(Kind.NETWORK)),
        ),
        on_request=_table(
            ("network", "licence"),
            ((one.name, one.licence.weights) for one in load_manifest().networks.values() if one.on_request),
        ),
        pictures=_table(
            ("picture", "licence", "source"),
            ((f"`{one.name}`", one.licence, one.source) for one in of(Kind.PICTURE)),
        ),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
