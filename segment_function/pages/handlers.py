"""Beside the API: a page to try it, health, the API's description, and the answer to every other path."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from segment_function.answer import Work, answer_page
from segment_function.api import ALIAS, ROUTE, SegmentApi
from segment_function.pages.assets import HOME_ASSETS, HTML, Asset
from segment_function.pages.home import home_page
from segment_function.pages.openapi import openapi_json
from segment_function.pages.swagger import SWAGGER_PAGE, swagger_assets
from segment_function.responses import Exchange, content_response
from shared_code.errors import ResourceNotFound
from shared_code.matte.networks import NetworkStore, State
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
    """The functions beside the API, which need no key, and the one that answers every other path."""
    blueprint = func.Blueprint()
    region, networks = api.settings.region, api.engine.networks

    def serve(name: str, route: str, work: Work) -> None:
        @blueprint.function_name(name)
        @blueprint.route(route, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
        async def page(req: Request) -> Response:
            return await answer_page(req, region, work)

    serve("status", "status", _status(api.engine.rooms))
    serve("ready", "ready", _ready(networks))
    serve("openapi", "openapi.json", _openapi(networks))
    serve("swagger", "swagger", _page(SWAGGER_PAGE.read, _SWAGGER_POLICY))
    serve("swagger_file", "swagger/{file}", _file(swagger_assets))
    serve("static_file", "static/{file}", _file(lambda: HOME_ASSETS))

    @blueprint.function_name("unknown_path")
    @blueprint.route("{*path}", methods=_ALL_METHODS, auth_level=func.AuthLevel.ANONYMOUS)
    async def unknown_path(req: Request) -> Response:
        """The home page; the API under a path with doubled slashes; "Resource not found" for all else."""
        path = re.sub("/+", "/", req.scope["path"]).strip("/").lower()
        if req.method == "POST" and path in (ROUTE.lower(), ALIAS):
            return await api.segment(req)
        is_home = req.method == "GET" and not path
        return await answer_page(req, region, _page(home_page, _HOME_POLICY) if is_home else not_found)

    return blueprint


def _status(rooms: Rooms) -> Work:
    """Alive: answers whatever else the process is doing; and what the wall around decoders lacks."""

    async def work(exchange: Exchange) -> Response:
        document: dict[str, object] = {"status": "alive", "version": VERSION}
        if lacking := rooms.wall_lacks:
            document["wall_lacks"] = lacking
        return content_response(json.dumps(document, separators=(",", ":")).encode(), _JSON, exchange)

    return work


def _ready(networks: NetworkStore) -> Work:
    """Whether the default network is loaded: 200, or 503 until then."""

    async def work(exchange: Exchange) -> Response:
        state, loaded = networks.state, networks.loaded
        document = {"status": state, "model": networks.default, "sha256": loaded and loaded.sha256}
        code = 200 if state is State.READY else 503
        return content_response(json.dumps(document).encode(), _JSON, exchange, code)

    return work


def _openapi(networks: NetworkStore) -> Work:
    """The API's description."""

    async def work(exchange: Exchange) -> Response:
        return content_response(openapi_json(tuple(networks.names), networks.default), _JSON, exchange)

    return work


def _page(read: Callable[[], bytes], policy: str) -> Work:
    """Answers an HTML page under a Content-Security-Policy."""

    async def work(exchange: Exchange) -> Response:
        response = content_response(read(), HTML, exchange)
        response.headers["Content-Security-Policy"] = policy
        response.headers["Cache-Control"] = "no-cache"
        return response

    return work


def _file(table: Callable[[], Mapping[str, Asset]]) -> Work:
    """Answers the file of `table` that the last segment of the path names, or 304 to a browser that has it.

    Browsers ask each time: the page is several modules, which after an update must not be of two versions.
    """

    async def work(exchange: Exchange) -> Response:
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

    return work


async def not_found(exchange: Exchange) -> Response:
    """The answer to every path and method that is none of the functions'."""
    raise ResourceNotFound
