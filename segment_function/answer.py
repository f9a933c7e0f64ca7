"""Every answer goes through here: documented errors, one line of log, nothing of an exception told."""

import logging
import time
from collections.abc import Awaitable, Callable

from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.body import Body
from segment_function.responses import Exchange, error_response
from shared_code.errors import InternalError, SegmentError

log = logging.getLogger(__name__)


async def answer(
    request: Request, region: str, work: Callable[[Exchange, Body], Awaitable[Response]]
) -> Response:
    """The answer of `work`, or the error it raises; an unforeseen one becomes InternalError."""
    exchange = Exchange(request, region)
    body = Body(request)
    try:
        response = await work(exchange, body)
    except SegmentError as error:
        response = _refuse(error, exchange, body)
    except Exception:
        log.exception("request %s failed", exchange.id)
        response = _refuse(InternalError(), exchange, body)
    milliseconds = (time.monotonic() - exchange.begin) * 1000
    path = request.scope["path"][:100]
    log.info(
        "%s %r %d in %.0f ms, id %s", request.method, path, response.status_code, milliseconds, exchange.id
    )
    return response


def _refuse(error: SegmentError, exchange: Exchange, body: Body) -> Response:
    log.info("request %s: %s", exchange.id, error)
    return error_response(error, exchange, body_unread=body.unread and exchange.request.method == "POST")
