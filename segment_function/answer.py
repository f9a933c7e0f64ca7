"""Every answer goes through here: errors become documented ones, and no exception text is sent."""

import logging
from collections.abc import Awaitable, Callable

from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.responses import Exchange, NothingToSend, error_response
from shared_code.errors import InternalError, SegmentError
from shared_code.progress import Abandoned

log = logging.getLogger(__name__)

type Work = Callable[[Exchange], Awaitable[Response]]


async def answer(exchange: Exchange, work: Work) -> Response:
    """The answer of `work`, or the error it raises; an unforeseen one becomes InternalError."""
    try:
        return await work(exchange)
    except SegmentError as error:
        return _refuse(error, exchange)
    except Abandoned:
        return NothingToSend()
    except Exception:
        log.exception("request %s failed", exchange.id)
        return _refuse(InternalError(), exchange)


async def answer_page(request: Request, region: str, work: Work) -> Response:
    """The same, with a line in the log: pages have no outcome of their own."""
    exchange = Exchange(request, region)
    response = await answer(exchange, work)
    path = request.scope["path"][:100]
    log.info(
        "%s %r %d in %.0f ms, id %s",
        request.method,
        path,
        response.status_code,
        exchange.elapsed_ms,
        exchange.id,
    )
    return response


def _refuse(error: SegmentError, exchange: Exchange) -> Response:
    unread = exchange.body.unread and exchange.request.method == "POST"
    return error_response(error, exchange, body_unread=unread)
