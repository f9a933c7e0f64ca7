import re

import httpx
import pytest

from segment_function.pages.assets import HOME_ASSETS, HOME_PAGE
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.picture.formats import FORMATS
from shared_code.version import VERSION
from tests.support import loopback
from tests.support.hosts import KEYS, Host

PAGES = ["/", "/swagger"]
STATIC = [f"/static/{name}" for name in HOME_ASSETS]
OURS = ["/", *(path for path in STATIC if not path.endswith(".jpg")), "/swagger", "/swagger/swagger-init.js"]
NOT_FOUND = b'{"error":{"code":"404","message": "Resource not found"}}'
SVG_NAMESPACE = "http://www.w3.org/2000/svg"  # a name that every SVG file bears; nothing is fetched from it


def get(host: Host, path: str, method: str = "GET") -> httpx.Response:
    return loopback.request(method, host.url + path)


@pytest.mark.parametrize(
    ("path", "content_type", "begins"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/static/app.js", "text/javascript; charset=utf-8", b"// "),
        ("/static/zip.js", "text/javascript; charset=utf-8", b"// "),
        ("/static/sample-product.jpg", "image/jpeg", b"\xff\xd8\xff"),
        ("/static/app.css", "text/css; charset=utf-8", b":root {"),
        ("/static/icon.svg", "image/svg+xml", b"<svg "),
        ("/swagger", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/swagger/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/SWAGGER", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/swagger/swagger-init.js", "text/javascript; charset=utf-8", b'"use strict";'),
        ("/swagger/swagger-ui-bundle.js", "text/javascript; charset=utf-8", b"/*! For license information"),
        ("/swagger/swagger-ui.css", "text/css; charset=utf-8", b".swagger-ui"),
        ("/swagger/favicon-32x32.png", "image/png", b"\x89PNG\r\n\x1a\n"),
        ("/openapi.json", "application/json; charset=utf-8", b'{"openapi": "3.1.1"'),
        (
            "/status",
            "application/json; charset=utf-8",
            f'{{"status":"alive","version":"{VERSION}"}}'.encode(),
        ),
    ],
)
def test_content(host: Host, path: str, content_type: str, begins: bytes) -> None:
    response = get(host, path)
    assert response.status_code == 200
    assert response.headers["content-type"] == content_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.content.startswith(begins)


@pytest.mark.parametrize(
    "path",
    [
        "/static/index.html",
        "/static/nothing.js",
        "/static/",
        "/static/..%2f..%2fpages.py",
        "/static/%2e%2e%2fpages.py",
        "/static/app.js/more",
        "/swagger/main.py",
        "/swagger/..%2fmain.py",
        "/swagger/swagger-ui-bundle.js%00",
        "/favicon.ico",
        "/robots.txt",
    ],
)
def test_nothing_else_is_served(host: Host, path: str) -> None:
    response = get(host, path)
    assert (response.status_code, response.content) == (404, NOT_FOUND)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/status", "/ready", "/openapi.json", "/swagger", "/static/app.js"])
def test_pages_answer_get_only(host: Host, path: str) -> None:
    response = get(host, path, "POST")
    assert (response.status_code, response.content) == (404, NOT_FOUND)


@pytest.mark.parametrize("path", PAGES)
def test_pages_run_only_what_this_host_serves(host: Host, path: str) -> None:
    response = get(host, path)
    policy = dict(
        directive.split(" ", 1) for directive in response.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'self'"
    assert "script-src" not in policy  # so default-src holds for scripts
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|<style|\sstyle=|javascript:", response.text)


@pytest.mark.parametrize("path", OURS)
def test_no_foreign_host_is_named(host: Host, path: str) -> None:
    text = get(host, path).text.replace(SVG_NAMESPACE, "")
    assert not re.search(r"//[\w-]+\.\w", text)
    assert re.findall(r"(?:src|href)=\"(?!/)", text) == []


def test_the_page_offers_what_the_service_accepts(host: Host) -> None:
    html = get(host, "/").text
    offered = re.search(r'id="file"[^>]* accept="([^"]+)"', html.replace("\n", " "))
    told = re.search('<small id="formats">([A-Z, ]+) or ([A-Z]+), up to (\\d+) MB each</small>', html)
    assert offered is not None
    assert told is not None
    accepted = {name for row in FORMATS for name in row.names}
    types = {row.media_type for row in FORMATS}
    assert set(offered[1].split(",")) == types | {ending for row in FORMATS for ending in row.endings}
    assert {*told[1].split(", "), told[2]} == accepted
    assert int(told[3]) << 20 == MAX_IMAGE_BYTES


def test_every_file_of_the_page_is_served() -> None:
    folder = HOME_PAGE.path.parent
    others = {"index.html", "swagger.html", "swagger-init.js"}
    assert {path.name for path in folder.iterdir()} == HOME_ASSETS.keys() | others
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    samples = {name: size for name, size in sizes.items() if name.startswith("sample-")}
    assert sum(sizes.values()) - sum(samples.values()) < 200_000, "what a visit loads"
    assert max(samples.values()) < 60_000


@pytest.mark.parametrize("path", PAGES)
def test_pages_refer_to_what_is_served(host: Host, path: str) -> None:
    links = re.findall(r"(?:src|href)=\"([^\"]+)\"", get(host, path).text)
    assert links
    assert [link for link in links if get(host, link).status_code != 200] == []


def test_browsers_ask_each_time_but_load_files_once(host: Host) -> None:
    assert get(host, "/").headers["cache-control"] == "no-cache"
    first = get(host, "/static/app.js")
    assert first.headers["cache-control"] == "no-cache"
    for known, status, content in (
        (first.headers["etag"], 304, b""),
        (f'"other", W/{first.headers["etag"]}', 304, b""),
        ('"other"', 200, first.content),
    ):
        again = loopback.get(host.url + "/static/app.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (status, content)
        assert again.headers["etag"] == first.headers["etag"]


def test_ready_names_the_network(host: Host) -> None:
    response = get(host, "/ready")
    assert response.status_code == 200
    document = response.json()
    assert document.keys() == {"status", "model", "sha256"}
    assert (document["status"], document["model"]) == ("READY", "u2netp")
    assert re.fullmatch("[0-9a-f]{64}", document["sha256"])


def test_no_page_needs_a_key_and_none_tells_it(host: Host) -> None:
    for path in [*OURS, "/openapi.json", "/status", "/ready"]:
        response = get(host, path)
        assert response.status_code == 200
        assert not any(key in response.text for key in KEYS)
