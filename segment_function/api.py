"""The operation of the retired Segment API, and its two routes."""

from collections.abc import Mapping
from dataclasses import dataclass

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.answer import answer
from segment_function.call import BodyKind, Call, parse_call
from segment_function.callers import Gate
from segment_function.connection import while_connected
from segment_function.fetch.image_url import UrlPolicy, fetch_image
from segment_function.fetch.loops import FETCH_LOOPS, on_this_loop
from segment_function.picture_response import PictureResponse
from segment_function.responses import Exchange, NothingToSend
from shared_code.deadline import Deadline
from shared_code.engine import Engine
from shared_code.errors import TooManyRequests
from shared_code.progress import StageName
from shared_code.record import TRACE_HEADERS, Edge, RecordSink
from shared_code.settings import Settings
from shared_code.stream import PictureStream
from shared_code.visit import Arrival, Visit

ROUTE = "computervision/imageanalysis:segment"
ALIAS = "computervision/imageanalysis/segment"


def segment_blueprint(api: "SegmentApi") -> func.Blueprint:
    """The functions of the API."""
    blueprint = func.Blueprint()

    @blueprint.function_name("segment")
    @blueprint.route(ROUTE, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    async def segment(req: Request, context: func.Context) -> Response:
        return await api.segment(req, trace_context_of(req, context))

    @blueprint.function_name("segment_alias")  # for gateways that refuse a colon in a path
    @blueprint.route(ALIAS, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    async def segment_alias(req: Request, context: func.Context) -> Response:
        return await api.segment(req, trace_context_of(req, context))

    return blueprint


def trace_context_of(request: Request, context: func.Context) -> dict[str, str]:
    """The host's span of the call, in the caller's trace or a new one; else what the caller sent."""
    given = context.trace_context
    if given.trace_parent:
        return dict(zip(TRACE_HEADERS, (given.trace_parent, given.trace_state or ""), strict=True))
    return {name: request.headers.get(name, "") for name in TRACE_HEADERS}


@dataclass(frozen=True)
class SegmentApi:
    """The operation, with its settings, engine, gate for callers, and sink for records."""

    settings: Settings
    engine: Engine
    gate: Gate
    sink: RecordSink

    async def segment(self, request: Request, trace_context: Mapping[str, str]) -> Response:
        """Cut out the picture in the body, or behind the URL in it."""
        exchange = Exchange(request, self.settings.region, self.settings.deadline_s)
        arrival = Arrival(exchange.id, Edge.HTTP, trace_context, client_id=exchange.recorded_client_id)
        deadline = Deadline.after(self.settings.deadline_s)
        visit = Visit(arrival, deadline, self.engine.hold(), self.sink)

        async def endpoint(exchange: Exchange) -> Response:
            with visit:
                return await self._segment(exchange, visit)

        return await answer(exchange, endpoint)

    async def _segment(self, exchange: Exchange, visit: Visit) -> Response:
        request = exchange.request
        exchange.body.arriving = visit.arriving
        async with visit.deadline.limit(TooManyRequests), visit.held.giving_way():
            visit.caller = (await self.gate(request)).name
            call = parse_call(request, self.engine.networks.names)
            visit.mode = call.mode
            stream = await self._stream(call, exchange, visit)
        response = PictureResponse(stream, exchange, visit, self.settings.stall_s)
        # Sent by the function itself: the Functions host drops log lines after an invocation has ended, and
        # waits for invocations before it stops a worker.
        await response(request.scope, request.receive, request._send)  # noqa: SLF001 (Starlette has no other name)
        return NothingToSend()

    async def _stream(self, call: Call, exchange: Exchange, visit: Visit) -> PictureStream:
        """The cut-out. The received file is no longer held."""
        with visit.progress.stage(StageName.RECEIVE):
            image = await self._image(call, exchange, visit)
        cut_out = self.engine.cut_out(image, call.mode, visit, call.network, call.format, crop=call.crop)
        return await while_connected(exchange.request.receive, cut_out)

    async def _image(self, call: Call, exchange: Exchange, visit: Visit) -> bytes:
        body = exchange.body
        match call.body:
            case BodyKind.BYTES:
                return await body.image()
            case BodyKind.FORM:
                return await body.form_image(call.content_type, self.settings.formats)
            case BodyKind.URL:
                settings = self.settings
                policy = UrlPolicy(
                    settings.url_input, settings.url_allowed_networks, settings.url_allowed_ports
                )
                url = await body.image_url(call.content_type)
                visit.bytes_in = 0  # those were the document's; the picture is fetched now
                fetch = fetch_image(url, policy, arriving=on_this_loop(visit.arriving))
                return await while_connected(exchange.request.receive, FETCH_LOOPS.run(fetch))
