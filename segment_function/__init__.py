"""The HTTP edge: the retired Segment API, and the pages beside it."""

from dataclasses import dataclass

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.answer import answer
from segment_function.body import Body
from segment_function.call import BodyKind, Call, parse_call
from segment_function.fetch.image_url import UrlPolicy, fetch_image
from segment_function.keys import KEY_HEADER, check_key
from segment_function.responses import Exchange, png_response
from shared_code.engine import Engine
from shared_code.settings import Settings

ROUTE = "computervision/imageanalysis:segment"
ALIAS = "computervision/imageanalysis/segment"


def segment_blueprint(api: "SegmentApi") -> func.Blueprint:
    """The functions of the API."""
    blueprint = func.Blueprint()

    @blueprint.function_name("segment")
    @blueprint.route(ROUTE, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    async def segment(req: Request) -> Response:
        return await api.segment(req)

    @blueprint.function_name("segment_alias")  # for gateways that refuse a colon in a path
    @blueprint.route(ALIAS, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
    async def segment_alias(req: Request) -> Response:
        return await api.segment(req)

    return blueprint


@dataclass(frozen=True)
class SegmentApi:
    """The operation, with the settings it follows and the engine that does the work."""

    settings: Settings
    engine: Engine

    async def segment(self, request: Request) -> Response:
        """Cut out the picture in the body, or behind the URL in it."""
        return await answer(request, self.settings.region, self._segment)

    async def _segment(self, exchange: Exchange, body: Body) -> Response:
        check_key(exchange.request.headers.get(KEY_HEADER), self.settings)
        call = parse_call(exchange.request, self.engine.networks.names)
        with self.engine.place():
            image = await self._image(call, body)
            png = await self.engine.cut_out(image, call.mode, call.network)
        return png_response(png, exchange)

    async def _image(self, call: Call, body: Body) -> bytes:
        match call.body:
            case BodyKind.BYTES:
                return await body.image()
            case BodyKind.FORM:
                return await body.form_image(call.content_type)
            case BodyKind.URL:
                settings = self.settings
                policy = UrlPolicy(
                    settings.url_input, settings.url_allowed_networks, settings.url_allowed_ports
                )
                return await fetch_image(await body.image_url(call.content_type), policy)
