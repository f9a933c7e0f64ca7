"""The HTTP edge: the retired Segment API, and the pages beside it."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.answer import answer
from segment_function.body import Body
from segment_function.call import BodyKind, Call, parse_call
from segment_function.fetch.image_url import UrlPolicy, fetch_image
from segment_function.keys import KEY_HEADER, check_key
from segment_function.responses import Exchange, png_response
from shared_code.process import engine, settings

ROUTE = "computervision/imageanalysis:segment"
ALIAS = "computervision/imageanalysis/segment"

blueprint = func.Blueprint()


@blueprint.function_name("segment")
@blueprint.route(ROUTE, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def segment(req: Request) -> Response:
    """Cut out the picture in the body, or behind the URL in it."""
    return await answer(req, settings.region, _segment)


@blueprint.function_name("segment_alias")
@blueprint.route(ALIAS, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def segment_alias(req: Request) -> Response:
    """The same without a colon in the path, for gateways that refuse one."""
    return await answer(req, settings.region, _segment)


async def _segment(exchange: Exchange, body: Body) -> Response:
    check_key(exchange.request.headers.get(KEY_HEADER), settings)
    call = parse_call(exchange.request, engine.networks.names)
    with engine.place():
        image = await _image(call, body)
        png = await engine.cut_out(image, call.mode, call.network)
    return png_response(png, exchange)


async def _image(call: Call, body: Body) -> bytes:
    match call.body:
        case BodyKind.BYTES:
            return await body.image()
        case BodyKind.FORM:
            return await body.form_image(call.content_type)
        case BodyKind.URL:
            return await fetch_image(await body.image_url(), _URL_POLICY)


_URL_POLICY = UrlPolicy(settings.url_input, settings.url_allowed_networks, settings.url_allowed_ports)
