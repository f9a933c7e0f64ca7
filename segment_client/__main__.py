"""`python -m segment_client`, and `segment-client` where it is installed."""

import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from segment_client.arguments import STANDARD, Arguments, parse
from segment_client.connection import BytesOrUrl
from segment_client.errors import ClientError, printable
from segment_client.maker import Result
from segment_client.options import Service
from segment_client.payload import read_payload, read_stream
from segment_client.report import Report
from segment_client.run import cutout, cutouts, watch
from segment_client.screen import Screen, Tally
from segment_client.side_by_side import in_thread
from segment_client.sources import locate

_WRONG_USE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when every picture has its cut-out."""
    given = parse(arguments, os.environ)
    _listen_to_signals()
    try:
        # The key is never an argument, where others could see it.
        key = os.environ.get("SEGMENT_KEY", "").strip()
        service = Service(given.endpoint, key, given.concurrency, given.patience)
        return _run_with_a_key(given, service)
    except ClientError as error:
        return _fail(f"{error.id} {error.message}", 1)
    except ValueError as error:
        return _fail(str(error), _WRONG_USE)
    except OSError as error:
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
    except (KeyboardInterrupt, EOFError, asyncio.CancelledError):
        return _fail("stopped", _INTERRUPTED)


def _listen_to_signals() -> None:
    """Shells make what a script starts with `&` ignore SIGINT, so that only SIGKILL would end it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _run_with_a_key(given: Arguments, service: Service) -> int:
    """Do it all, and once more with a key when the service wants one and somebody is there to be asked."""
    picture = None if given.out else _read_single(given)
    _warn_of_plain_http(service)
    while True:
        try:
            if given.out is None:
                return asyncio.run(_single(given, service, picture or b""))
            return asyncio.run(_many(given, given.out, service))
        except ClientError as error:
            if error.id != "E-401" or service.key or not _is_attended():
                raise
            service = replace(service, key=getpass.getpass("Key: ", sys.stderr).strip())
            _warn_of_plain_http(service)
            if not service.key:
                raise


def _is_attended() -> bool:
    """Whether somebody can be asked. A run in the background of its terminal would be halted for that."""
    if not sys.stderr.isatty():
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that controls this process
        return sys.stdin.isatty()


def _read_single(given: Arguments) -> BytesOrUrl:
    if sys.stdout.isatty():
        raise ValueError("standard output is a terminal; name a folder with --out, or redirect it")
    source = given.sources[0]
    return read_stream(sys.stdin.buffer) if source == STANDARD else read_payload(source).content


async def _single(given: Arguments, service: Service, picture: BytesOrUrl) -> int:
    """One picture to standard output, once it is whole."""
    made = await cutout(picture, service, given.look)
    sys.stdout.buffer.write(made.data)
    sys.stdout.buffer.flush()
    return 0


async def _many(given: Arguments, out: Path, service: Service) -> int:
    """Raises the ClientError that ended the run early; what was done by then has been told."""
    screen, tally = Screen(), Tally()
    try:
        await _run(given, out, service, screen, tally)
    except ClientError:
        if not tally.is_empty:
            screen.summarize(tally)
            screen.say("The run ended early; the same command takes it up again.")
        raise
    except BaseException:
        screen.summarize(tally)
        raise
    screen.summarize(tally)
    return 1 if tally.results[Result.FAILED] else 0


async def _run(given: Arguments, out: Path, service: Service, screen: Screen, tally: Tally) -> None:
    """See the run through. Raises the ClientError that ended it early."""
    begin = watch if given.watch else cutouts
    outcomes = begin(given.sources, out, service, given.look, force=given.force)
    with Report(given.report) if given.report else nullcontext() as report, screen:
        beside = [asyncio.create_task(screen.tell_progress(tally))]
        if not given.watch:
            beside.append(asyncio.create_task(_count(given, out, screen)))
        try:
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    tally.add(outcome)
                    screen.add(outcome, tally)
                    if report:
                        report.add(outcome)
        except asyncio.CancelledError:
            if not given.watch:  # which has no other end
                raise
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _count(given: Arguments, out: Path, screen: Screen) -> None:
    """Tell the screen how many pictures there are, while the first are on their way."""
    total = 0
    async for _ in in_thread(locate(given.sources, out, given.look.suffix).all()):
        total += 1
    screen.expect(total)


def _warn_of_plain_http(service: Service) -> None:
    url = urlsplit(service.endpoint)
    if service.key and url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        print("segment-client: over http anybody on the way can read the key", file=sys.stderr)


def _fail(message: str, code: int) -> int:
    print(f"segment-client: {printable(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
