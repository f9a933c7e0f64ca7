"""`python -m segment_client`, and `segment-client` where it is installed."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from segment_client.arguments import STANDARD, Arguments, parse
from segment_client.errors import ClientError
from segment_client.key import read_key
from segment_client.maker import Result
from segment_client.options import Service
from segment_client.reading import read_picture, read_stream
from segment_client.report import Report
from segment_client.run import cutout, cutouts, watch
from segment_client.screen import Screen
from segment_client.sources import locate
from segment_client.tally import Tally
from segment_client.text import printable

_WRONG_USE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when every picture has its cut-out."""
    given = parse(arguments, os.environ)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        service = Service(given.endpoint, read_key(os.environ), given.concurrency, given.patience)
        _warn_of_plain_http(service)
        if given.out is None:
            return asyncio.run(_single(given, service))
        return asyncio.run(_many(given, given.out, service))
    except ClientError as error:
        return _fail(f"{error.id} {error.message}", 1)
    except ValueError as error:
        return _fail(str(error), _WRONG_USE)
    except OSError as error:
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
    except (KeyboardInterrupt, EOFError):
        return _fail("stopped", _INTERRUPTED)


async def _single(given: Arguments, service: Service) -> int:
    """One picture to standard output, once it is whole."""
    if sys.stdout.isatty():
        raise ValueError("standard output is a terminal; name a folder with --out, or redirect it")
    source = given.sources[0]
    picture = read_stream(sys.stdin.buffer) if source == STANDARD else read_picture(source)[0]
    made = await cutout(picture, service, given.look)
    sys.stdout.buffer.write(made.data)
    sys.stdout.buffer.flush()
    return 0


async def _many(given: Arguments, out: Path, service: Service) -> int:
    screen, tally = Screen(), Tally()
    try:
        final = await _run(given, out, service, screen, tally)
    finally:
        screen.summarize(tally)
    if final:
        end = "The run ended early; the same command takes it up again."
        return _fail(f"{final.id} {final.message} {end}", 1)
    return 1 if tally.results[Result.FAILED] else 0


async def _run(
    given: Arguments, out: Path, service: Service, screen: Screen, tally: Tally
) -> ClientError | None:
    """See the run through; the error that ended it early."""
    begin = watch if given.watch else cutouts
    outcomes = begin(given.sources, out, service, given.look, force=given.force)
    with Report(given.report) if given.report else nullcontext() as report, screen:
        counting = asyncio.create_task(_count(given, out, screen))
        try:
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    tally.add(outcome)
                    screen.add(outcome, tally)
                    if report:
                        report.add(outcome)
        except ClientError as error:
            return error
        except asyncio.CancelledError:
            if not given.watch:  # which has no other end
                raise
        finally:
            counting.cancel()
    return None


async def _count(given: Arguments, out: Path, screen: Screen) -> None:
    """Tell the bar how many pictures there are, while the first are on their way."""
    if screen.has_bar and not given.watch:
        sources = locate(given.sources, out, given.look.suffix)
        screen.expect(await asyncio.to_thread(lambda: sum(1 for _ in sources.all())))


def _warn_of_plain_http(service: Service) -> None:
    url = urlsplit(service.endpoint)
    if service.key and url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        print("segment-client: over http anybody on the way can read the key", file=sys.stderr)


def _fail(message: str, code: int) -> int:
    print(f"segment-client: {printable(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
