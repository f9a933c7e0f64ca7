"""The command line."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segment_client import __version__
from segment_client.options import QUALITY, Format, Look, Mode, Patience
from segment_client.sources import PathOrUrl, is_url

STANDARD = "-"
_DESCRIPTION = "Cut out pictures: files, folders with all below them, URLs, or - for standard input."
_EPILOG = """\
The key comes from the variable SEGMENT_KEY; where a service wants one, a terminal is asked for it.
The exit code is 0 when every picture has its cut-out, 1 when one has none, 2 for a wrong command line.

examples:
  %(prog)s photos/ --out cut/ --endpoint https://<your-app>
  %(prog)s photos/ --out shop/ --background '#fff' --format jpeg --report report.csv
  %(prog)s - < photo.jpg > cutout.png
"""


@dataclass(frozen=True)
class Arguments:
    """A command line that can be carried out. `out` is None for standard output."""

    sources: tuple[PathOrUrl, ...]
    out: Path | None
    endpoint: str
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
        help="the service's address without a path; SEGMENT_ENDPOINT unless given",
    )
    add("--mode", choices=list(Mode), default=Mode.BACKGROUND_REMOVAL, help="default: %(default)s")
    add("--model", default="", metavar="NAME", help="a network that the service has installed")
    add("--background", metavar="COLOUR|FILE", help="put behind the cut-out: '#fff', white, or a picture")
    add("--format", choices=list(Format), default=Format.PNG, help="default: %(default)s")
    add("--quality", type=int, metavar="N", help=f"of webp and jpeg, 1 to 100; default: {QUALITY}")
    add(
        "--transfer",
        choices=[Format.PNG, Format.WEBP],
        help="format of the service's answers; default: webp, or png where --format is png or with --quality",
    )
    add("--concurrency", type=int, default=4, metavar="N", help="pictures at a time; default: %(default)s")
    add("--report", type=Path, metavar="CSV", help="write a row for each picture")
    add("--watch", action="store_true", help="stay, and cut out what comes into the folders")
    add("--force", action="store_true", help="also what has been cut out already")
    defaults = Patience()
    add(
        "--attempts",
        type=int,
        default=defaults.attempts,
        metavar="N",
        help="for a picture, when what went wrong may pass; default: %(default)s",
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
        help="seconds that a dead endpoint is waited for; default: %(default)g",
    )


def _checked(given: argparse.Namespace) -> Arguments:
    if given.attempts < 1 or given.timeout <= 0 or given.give_up_after < 0:
        raise ValueError("--attempts, --timeout and --give-up-after must be positive")
    sources = tuple(_source(source) for source in given.sources)
    return Arguments(
        sources,
        _out(given.out, sources, watch=given.watch),
        given.endpoint,
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


def _look(given: argparse.Namespace) -> Look:
    if given.quality is not None and given.format == Format.PNG:
        raise ValueError("--quality goes with --format webp or jpeg")
    transfer = None if given.transfer is None else Format(given.transfer)
    return Look(
        Mode(given.mode), given.background, Format(given.format), given.model, given.quality, transfer
    )


def _source(given: str) -> PathOrUrl:
    return given if given == STANDARD or is_url(given) else Path(given)


def _out(given: str | None, sources: Sequence[PathOrUrl], *, watch: bool) -> Path | None:
    if watch and not all(isinstance(source, Path) and os.path.isdir(source) for source in sources):
        raise ValueError("--watch takes folders")
    if STANDARD in sources and (len(sources) > 1 or given not in (None, STANDARD)):
        raise ValueError("standard input goes alone, and to standard output")
    if given == STANDARD or STANDARD in sources:
        if len(sources) > 1 or (isinstance(sources[0], Path) and os.path.isdir(sources[0])):
            raise ValueError("standard output takes one picture")
        return None
    if given is None:
        raise ValueError("--out is missing")
    if os.path.lexists(given) and not os.path.isdir(given):
        raise ValueError(f"--out is not a folder: {given}")
    return Path(given)
