"""The command line."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segment_client import __version__
from segment_client.canvas import Canvas
from segment_client.folder import is_folder
from segment_client.options import QUALITY, Format, Look, Mode, Patience
from segment_client.sign_in import AUDIENCE
from segment_client.sources import PathOrUrl, is_url

STANDARD = "-"
_DESCRIPTION = "Cut out pictures: files, folders with all below them, URLs, or - for standard input."
_EPILOG = """\
The key comes from the variable SEGMENT_KEY; where a service wants one, a terminal is asked for it.
With --entra there is none: the client signs in as az login, a managed identity or Azure's variables say.
The exit code is 0 when every picture has its cut-out, 1 when one has none, 2 for a wrong command line.

examples:
  %(prog)s photos/ --out cut/ --endpoint https://<your-app>
  %(prog)s photos/ --out shop/ --canvas 2000x2000 --margin 8%% --format jpeg --report report.csv
  %(prog)s - < photo.jpg > cutout.png
"""


@dataclass(frozen=True)
class Arguments:
    """A valid command line.

    `out` is None for standard output, `audience` where there is no sign-in.
    """

    sources: tuple[PathOrUrl, ...]
    out: Path | None
    endpoint: str
    audience: str | None
    look: Look
    concurrency: int
    patience: Patience
    report: Path | None
    watch: bool
    force: bool


def parse(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Arguments:
    """Exits with code 2 and a message when the command line is wrong."""
    parser = argparse.ArgumentParser(prog="segment-client", description="A client for segment-function.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    command = parser.add_subparsers(required=True, metavar="command").add_parser(
        "cutouts",
        help=_DESCRIPTION,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add(command, environment.get("SEGMENT_ENDPOINT"))
    given = parser.parse_args(arguments)
    try:
        return _checked(given)
    except ValueError as error:
        command.error(str(error))


def _add(command: argparse.ArgumentParser, endpoint: str | None) -> None:
    add = command.add_argument
    add("sources", nargs="+", metavar="SOURCE", help="a file, a folder, a URL, or -")
    add("--out", metavar="FOLDER", help="where the results go; - is standard output, for one picture")
    add(
        "--endpoint",
        default=endpoint,
        required=endpoint is None,
        metavar="URL",
        help="the service's address without a path; default: SEGMENT_ENDPOINT",
    )
    add("--entra", action="store_true", help="sign in with Microsoft Entra ID instead of a key")
    add(
        "--audience",
        metavar="URI",
        help=f"with --entra: the audience of tokens; default: {AUDIENCE}",
    )
    add("--mode", choices=list(Mode), default=Mode.BACKGROUND_REMOVAL, help="default: %(default)s")
    add("--model", default="", metavar="NAME", help="one of the networks that the service has installed")
    add("--background", metavar="COLOUR|FILE", help="put behind the cut-out: '#fff', white, or a picture")
    add("--format", choices=list(Format), default=Format.PNG, help="default: %(default)s")
    add("--quality", type=int, metavar="N", help=f"of webp and jpeg, 1 to 100; default: {QUALITY}")
    add(
        "--transfer",
        choices=[Format.PNG, Format.WEBP],
        help="format of the service's answers; default: webp, or png where --format is png or with --quality",
    )
    add("--crop", action="store_true", help="only the box of the subject, with a margin")
    add("--canvas", metavar="WxH", help="the subject in the middle of so many pixels; it is never enlarged")
    add("--margin", metavar="N%", help="of the canvas's shorter side, free on each side; default: 0%%")
    add("--concurrency", type=int, default=4, metavar="N", help="pictures at a time; default: %(default)s")
    add("--report", type=Path, metavar="CSV", help="write a row for each picture")
    add(
        "--watch",
        action="store_true",
        help="keep running for new and changed pictures",
    )
    add("--force", action="store_true", help="cut out again what already has a result")
    defaults = Patience()
    add(
        "--attempts",
        type=int,
        default=defaults.attempts,
        metavar="N",
        help="for each picture, when the error may be temporary; default: %(default)s",
    )
    add(
        "--timeout",
        type=float,
        default=defaults.attempt_s,
        metavar="S",
        help="seconds for one attempt, answer included; default: %(default)g",
    )
    add(
        "--give-up-after",
        type=float,
        default=defaults.give_up_after_s,
        metavar="S",
        help="seconds to wait for an endpoint that does not answer; default: %(default)g",
    )


def _checked(given: argparse.Namespace) -> Arguments:
    if given.attempts < 1 or given.timeout <= 0 or given.give_up_after < 0:
        raise ValueError("--attempts, --timeout and --give-up-after must be positive")
    sources = tuple(_source(source) for source in given.sources)
    return Arguments(
        sources,
        _out(given.out, sources, watch=given.watch),
        given.endpoint,
        _audience(given.entra, given.audience),
        _look(given),
        given.concurrency,
        replace(
            Patience(),
            attempts=given.attempts,
            attempt_s=given.timeout,
            give_up_after_s=given.give_up_after,
        ),
        given.report,
        given.watch,
        given.force,
    )


def _audience(entra: bool, audience: str | None) -> str | None:
    if audience is not None and not entra:
        raise ValueError("--audience needs --entra")
    return audience or AUDIENCE if entra else None


def _look(given: argparse.Namespace) -> Look:
    if given.quality is not None and given.format == Format.PNG:
        raise ValueError("--quality needs --format webp or jpeg")
    transfer = None if given.transfer is None else Format(given.transfer)
    return Look(
        Mode(given.mode),
        given.background,
        Format(given.format),
        given.model,
        given.quality,
        transfer,
        given.crop,
        _canvas(given.canvas, given.margin),
    )


def _canvas(size: str | None, margin: str | None) -> Canvas | None:
    if size is None:
        if margin is not None:
            raise ValueError("--margin needs --canvas")
        return None
    sides = re.fullmatch(r"(\d{1,6})x(\d{1,6})", size, re.ASCII)
    if sides is None:
        raise ValueError(f"--canvas is a width and a height in pixels, such as 2000x2000: {size}")
    share = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", margin or "0%", re.ASCII)
    if share is None:
        raise ValueError(f"--margin is a percentage, such as 8%: {margin}")
    return Canvas(int(sides[1]), int(sides[2]), float(share[1]) / 100)


def _source(given: str) -> PathOrUrl:
    return given if given == STANDARD or is_url(given) else Path(given)


def _out(given: str | None, sources: Sequence[PathOrUrl], *, watch: bool) -> Path | None:
    if watch and not all(isinstance(source, Path) and is_folder(source) for source in sources):
        raise ValueError("--watch works only on folders")
    if STANDARD in sources and (len(sources) > 1 or given not in (None, STANDARD)):
        raise ValueError("standard input must be the only source, and its result goes to standard output")
    if given == STANDARD or STANDARD in sources:
        if len(sources) > 1 or (isinstance(sources[0], Path) and is_folder(sources[0])):
            raise ValueError("only one picture can go to standard output")
        return None
    if given is None:
        raise ValueError("--out is missing")
    if os.path.lexists(given) and not is_folder(Path(given)):
        raise ValueError(f"--out is not a folder: {given}")
    return Path(given)
