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
from segment_client.sign_in import default_credential
from segment_client.sources import locate

_WRONG_USE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when every picture has its cut-out."""
    given = parse(arguments, os.environ)
    _listen_to_signals()
    try:
        return _run_with_a_key(given, _service(given))
    except ClientError as error:
        return _fail(f"{error.id} {error.message}", 1)
    except ValueError as error:
        return _fail(str(error), _WRONG_USE)
    except OSError as error:
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
    except (KeyboardInterrupt, EOFError, asyncio.CancelledError):
        return _fail("stopped", _INTERRUPTED)


def _service(given: Arguments) -> Service:
    """Raises ValueError."""
    if given.audience is not None:
        return Service(
            given.endpoint, "", given.concurrency, given.patience, default_credential(), given.audience
        )
    # The key is never an argument, because other users could see it.
    key = os.environ.get("SEGMENT_KEY", "").strip()
    return Service(given.endpoint, key, given.concurrency, given.patience)


def _listen_to_signals() -> None:
    """Handle SIGINT: in background commands of scripts, shells have it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _run_with_a_key(given: Arguments, service: Service) -> int:
    """Run; if the service wants a key and the user can be asked for one, run again with it."""
    picture = None if given.out else _read_single(given)
    _warn_of_plain_http(service)
    while True:
        try:
            if given.out is None:
                return asyncio.run(_single(given, service, picture or b""))
            return asyncio.run(_many(given, given.out, service))
        except ClientError as error:
            if error.id != "E-401" or service.key or service.credential or not _is_attended():
                raise
            service = replace(service, key=getpass.getpass("Key: ", sys.stderr).strip())
            _warn_of_plain_http(service)
            if not service.key:
                raise


def _is_attended() -> bool:
    """Whether the user can be asked. A background job that reads from its terminal would be stopped."""
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
    """Write one picture to standard output, once it is complete."""
    made = await cutout(picture, service, given.look)
    sys.stdout.buffer.write(made.data)
    sys.stdout.buffer.flush()
    if made.note:
        print(f"segment-client: {made.note}", file=sys.stderr)
    return 0


async def _many(given: Arguments, out: Path, service: Service) -> int:
    """Raises the ClientError that ended the run early, after the summary."""
    screen, tally = Screen(), Tally()
    try:
        await _run(given, out, service, screen, tally)
    except ClientError:
        if not tally.is_empty:
            screen.summarize(tally)
            screen.say("The run ended early. The same command continues it.")
        raise
    except BaseException:
        screen.summarize(tally)
        raise
    screen.summarize(tally)
    return 1 if tally.results[Result.FAILED] else 0


async def _run(given: Arguments, out: Path, service: Service, screen: Screen, tally: Tally) -> None:
    """Do the run. Raises the ClientError that ended it early."""
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
            if not given.watch:  # watching ends only so
                raise
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _count(given: Arguments, out: Path, screen: Screen) -> None:
    """Count the pictures for the progress bar, while the first ones are being sent."""
    total = 0
    async for _ in in_thread(locate(given.sources, out, given.look.suffix).all()):
        total += 1
    screen.expect(total)


def _warn_of_plain_http(service: Service) -> None:
    if service.key and service.is_plain:
        print(
            "segment-client: others on the network can read the key: the endpoint is http",
            file=sys.stderr,
        )


def _fail(message: str, code: int) -> int:
    print(f"segment-client: {printable(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
