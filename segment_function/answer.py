"""Turns errors into documented answers. Every answer passes through here, and no exception text is sent."""

import logging
from collections.abc import Awaitable, Callable

from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.responses import Exchange, NothingToSend, error_response
from shared_code.errors import InternalError, SegmentError
from shared_code.progress import Abandoned

log = logging.getLogger(__name__)

type Endpoint = Callable[[Exchange], Awaitable[Response]]


async def answer(exchange: Exchange, endpoint: Endpoint) -> Response:
    """The answer of `endpoint`, or that to the error it raises; unexpected errors become InternalError."""
    try:
        return await endpoint(exchange)
    except SegmentError as error:
        return _refuse(error, exchange)
    except Abandoned:
        return NothingToSend()
    except Exception:
        log.exception("request %s failed", exchange.id)
        return _refuse(InternalError(), exchange)


async def answer_page(request: Request, region: str, endpoint: Endpoint) -> Response:
    """The same for a page, with a line in the log, because pages have no record of their own."""
    exchange = Exchange(request, region)
    response = await answer(exchange, endpoint)
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
