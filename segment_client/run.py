"""The three functions of this library: one picture, many pictures, and watched folders."""

import asyncio
import io
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from segment_client.answer import Answer
from segment_client.connection import BytesOrUrl, Connection
from segment_client.errors import printable
from segment_client.finish import Finisher
from segment_client.folder import Found
from segment_client.maker import Maker, Outcome
from segment_client.options import Look, Service
from segment_client.side_by_side import in_thread, side_by_side
from segment_client.sources import PathOrUrl, locate
from segment_client.watching import found_now_and_later

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CutOut:
    """A result in memory: the file's bytes, the answer it was made from, and a note."""

    data: bytes
    answer: Answer
    note: str = ""


async def cutout(picture: BytesOrUrl, service: Service, look: Look | None = None) -> CutOut:
    """Cut out one picture, given by its bytes or by its URL.

    Raises ClientError, and ValueError for an invalid background.
    """
    look = look or Look()
    finisher = Finisher(look)
    answered = io.BytesIO()
    async with Connection(service) as connection:
        answer = await connection.segment(picture, look, answered)
    if look.is_answer(answer.format):
        return CutOut(answered.getvalue(), answer)
    result = io.BytesIO()
    note = await asyncio.to_thread(finisher, answered, result)
    return CutOut(result.getvalue(), answer, note)


async def cutouts(
    sources: Sequence[PathOrUrl],
    out: Path,
    service: Service,
    look: Look | None = None,
    *,
    force: bool = False,
) -> AsyncGenerator[Outcome, None]:
    """Cut out files, folders with all below them, and URLs into the folder `out`; yields an outcome for each.

    Results that exist for the same bytes and the same look are skipped, unless `force`. Raises ClientError at
    the end if an error ended the run early, and ValueError for invalid arguments.
    """
    look = look or Look()
    located = locate(sources, out, look.suffix)
    outcomes = _made(in_thread(located.all()), service, look, force=force)
    async with aclosing(outcomes):
        async for outcome in outcomes:
            yield outcome
    _tell_passed_over(located.passed_over())


async def watch(
    folders: Sequence[PathOrUrl],
    out: Path,
    service: Service,
    look: Look | None = None,
    *,
    force: bool = False,
) -> AsyncGenerator[Outcome, None]:
    """As `cutouts`, and then new and changed pictures in the folders, until the iteration is closed.

    A file is sent once it has not changed for a second. While the endpoint does not answer, this waits
    without limit. Raises as `cutouts` does.
    """
    look = look or Look()
    located = locate(folders, out, look.suffix)
    if located.singles or not located.folders:
        raise ValueError("only folders can be watched")
    endless = replace(service, patience=replace(service.patience, give_up_after_s=math.inf))
    outcomes = _made(found_now_and_later(located), endless, look, force=force)
    async with aclosing(outcomes):
        async for outcome in outcomes:
            yield outcome


async def _made(
    sources: AsyncGenerator[Found, None], service: Service, look: Look, *, force: bool
) -> AsyncGenerator[Outcome, None]:
    async with Connection(service) as connection, aclosing(sources):
        maker = Maker(connection, look, force=force)
        outcomes = side_by_side(_until_final(sources, maker), maker.make, service.concurrency)
        async with aclosing(outcomes):
            async for outcome in outcomes:
                yield outcome
    if maker.final:
        raise maker.final


async def _until_final(sources: AsyncIterator[Found], maker: Maker) -> AsyncGenerator[Found, None]:
    async for found in sources:
        if maker.final:
            return
        yield found


def _tell_passed_over(suffixes: Counter[str]) -> None:
    if suffixes:
        names = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(8))
        log.warning("Skipped, because their names are not those of pictures: %s", printable(names))
