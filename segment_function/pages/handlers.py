"""The routes beside the API: a page to try it, health, its description, and all other paths."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.answer import Endpoint, answer_page
from segment_function.api import ALIAS, ROUTE, SegmentApi, trace_context_of
from segment_function.pages.assets import HOME_ASSETS, HTML, Asset
from segment_function.pages.home import home_page
from segment_function.pages.openapi import openapi_json
from segment_function.pages.swagger import SWAGGER_PAGE, swagger_assets
from segment_function.responses import Exchange, content_response
from shared_code.errors import ResourceNotFound
from shared_code.matte.networks import NetworkStore, State
from shared_code.picture.formats import format_names
from shared_code.room.rooms import Rooms
from shared_code.version import VERSION

_JSON = "application/json; charset=utf-8"
_ALL_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")

# https://www.w3.org/TR/CSP3/: our own page makes and shows pictures as blob: URLs; Swagger UI also
# writes style attributes, and its style sheet holds icons as data: URLs.
_NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HOME_POLICY = f"default-src 'self'; img-src 'self' blob:; {_NOTHING_ELSE}"
_SWAGGER_POLICY = (
    f"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; {_NOTHING_ELSE}"
)


def pages_blueprint(api: SegmentApi) -> func.Blueprint:
    """The functions beside the API, which need no key, and the one for all other paths."""
    blueprint = func.Blueprint()
    region, networks, formats = api.settings.region, api.engine.networks, api.settings.formats

    def home() -> bytes:
        return home_page(networks.choices, formats)

    def serve(name: str, route: str, endpoint: Endpoint) -> None:
        @blueprint.function_name(name)
        @blueprint.route(route, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
        async def page(req: Request) -> Response:
            return await answer_page(req, region, endpoint)

    serve("status", "status", _status(api.engine.rooms))
    serve("ready", "ready", _ready(networks))
    serve("openapi", "openapi.json", _openapi(networks, format_names(formats)))
    serve("swagger", "swagger", _page(SWAGGER_PAGE.read, _SWAGGER_POLICY))
    serve("swagger_file", "swagger/{file}", _file(swagger_assets))
    serve("static_file", "static/{file}", _file(lambda: HOME_ASSETS))

    @blueprint.function_name("unknown_path")
    @blueprint.route("{*path}", methods=_ALL_METHODS, auth_level=func.AuthLevel.ANONYMOUS)
    async def unknown_path(req: Request, context: func.Context) -> Response:
        """The home page; the API under a path with doubled slashes; "Resource not found" for all else."""
        path = re.sub("/+", "/", req.scope["path"]).strip("/").lower()
        if req.method == "POST" and path in (ROUTE.lower(), ALIAS):
            return await api.segment(req, trace_context_of(req, context))
        is_home = req.method == "GET" and not path
        return await answer_page(req, region, _page(home, _HOME_POLICY) if is_home else not_found)

    return blueprint


def _status(rooms: Rooms) -> Endpoint:
    """The liveness answer, with the parts of the decoder sandbox that are missing."""

    async def endpoint(exchange: Exchange) -> Response:
        document: dict[str, object] = {"status": "alive", "version": VERSION}
        if lacking := rooms.wall_lacks:
            document["wall_lacks"] = lacking
        return content_response(json.dumps(document, separators=(",", ":")).encode(), _JSON, exchange)

    return endpoint


def _ready(networks: NetworkStore) -> Endpoint:
    """Whether the default network is loaded: 200, or 503 until then."""

    async def endpoint(exchange: Exchange) -> Response:
        state, loaded = networks.state, networks.loaded
        document = {"status": state, "model": networks.default, "sha256": loaded and loaded.sha256}
        code = 200 if state is State.READY else 503
        return content_response(json.dumps(document).encode(), _JSON, exchange, code)

    return endpoint


def _openapi(networks: NetworkStore, formats: str) -> Endpoint:
    """The API's description."""

    async def endpoint(exchange: Exchange) -> Response:
        document = openapi_json(tuple(networks.names), networks.default, formats)
        return content_response(document, _JSON, exchange)

    return endpoint


def _page(read: Callable[[], bytes], policy: str) -> Endpoint:
    """Answers an HTML page under a Content-Security-Policy."""

    async def endpoint(exchange: Exchange) -> Response:
        response = content_response(read(), HTML, exchange)
        response.headers["Content-Security-Policy"] = policy
        response.headers["Cache-Control"] = "no-cache"
        return response

    return endpoint


def _file(table: Callable[[], Mapping[str, Asset]]) -> Endpoint:
    """Answers the file of `table` that the last segment of the path names, or 304 to a browser that has it.

    Browsers ask each time, because after an update the page's modules must all be of one version.
    """

    async def endpoint(exchange: Exchange) -> Response:
        asset = table().get(exchange.request.path_params["file"])
        if asset is None:
            raise ResourceNotFound
        content = asset.read()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        known = etag in exchange.request.headers.get("if-none-match", "")
        response = content_response(
            b"" if known else content, asset.media_type, exchange, 304 if known else 200
        )
        response.headers["Cache-Control"] = "no-cache"
        response.headers["ETag"] = etag
        return response

    return endpoint


async def not_found(_exchange: Exchange) -> Response:
    """The answer to a path and method that no function serves."""
    raise ResourceNotFound
