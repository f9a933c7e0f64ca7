"""The wire contract as a table: one row per rule, request -> answer.

A row's `request` is a function of the base URL of a site that serves pictures, so that nothing is made
before it is needed. `expected` is the error of the contract, or the size and pixel format of the PNG.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from shared_code import errors
from shared_code.errors import SegmentError
from tests.conformance import pictures
from tests.conformance.requests import (
    MATTE_QUERY,
    PATH,
    QUERY,
    VERSION,
    Request,
    form,
    jpeg,
    with_url,
)
from tests.support.hosts import KEYS
from tests.support.photos import encoded


@dataclass(frozen=True)
class Png:
    """The answer is a PNG of this size; RGBA, or L for a matte."""

    width: int = 160
    height: int = 120
    mode: str = "RGBA"


@dataclass(frozen=True)
class Case:
    """One row: what is asked, and what must be answered."""

    name: str
    request: Callable[[str], Request]
    expected: SegmentError | Png


OK = Png()
MATTE = Png(mode="L")
E_401 = errors.AccessDenied()
E_404 = errors.ResourceNotFound()
E_MODE = errors.ModeInvalid()
E_SIZE = errors.ImageSizeNotAllowed()
E_JSON = errors.ImageUrlBadlyFormatted()
E_URL = errors.UrlNotAccessible()
E_FORMAT = errors.ImageFormatInvalid()
E_DIM = errors.ImageDimensionNotAllowed()


def _query(name: str, query: str, expected: SegmentError | Png) -> Case:
    return Case(name, lambda _: Request(query=query), expected)


def _header(name: str, expected: SegmentError | Png, **headers: str | None) -> Case:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(name, lambda _: Request(headers=named), expected)


def _image(name: str, make: Callable[[], bytes], expected: SegmentError | Png, query: str = QUERY) -> Case:
    return Case(name, lambda _: Request(query=query, body=make()), expected)


def _json(name: str, text: str, expected: SegmentError | Png, content_type: str = "application/json") -> Case:
    return Case(name, lambda site: with_url(text.replace("SITE", site), content_type), expected)


def _path(name: str, path: str, expected: SegmentError | Png, method: str = "POST") -> Case:
    return Case(name, lambda _: Request(path=path, method=method), expected)


def _type(name: str, content_type: str | None, expected: SegmentError | Png) -> Case:
    return _header(name, expected, Content_Type=content_type)


def _unsupported(shown: str) -> SegmentError:
    return errors.ContentTypeNotSupported(shown)


QUERIES = [
    _query("mode backgroundRemoval", QUERY, OK),
    _query("mode foregroundMatting", MATTE_QUERY, MATTE),
    _query("mode in other letter case", f"{VERSION}&mode=BACKGROUNDremoval", OK),
    _query("mode missing", VERSION, E_MODE),
    _query("mode empty", f"{VERSION}&mode=", E_MODE),
    _query("mode unknown", f"{VERSION}&mode=removeBackground", E_MODE),
    _query("mode with a space around it", f"{VERSION}&mode=%20backgroundRemoval", E_MODE),
    _query("mode twice", f"{QUERY}&mode=foregroundMatting", E_MODE),
    _query("api-version 2023-04-01-preview", "api-version=2023-04-01-preview&mode=backgroundRemoval", OK),
    _query("api-version missing", "mode=backgroundRemoval", E_404),
    _query("api-version of the 4.0 GA", "api-version=2024-02-01&mode=backgroundRemoval", E_404),
    _query("api-version twice", f"{VERSION}&{QUERY}", E_404),
    _query("no query at all", "", E_404),
    _query("model-name installed", f"{QUERY}&model-name=u2net", OK),
    _query("model-name of the other model", f"{QUERY}&model-name=u2netp", OK),
    _query("model-name unknown", f"{QUERY}&model-name=nobody", E_404),
    _query("model-name empty", f"{QUERY}&model-name=", E_404),
    _query("model-name that is a path", f"{QUERY}&model-name=../u2net", E_404),
    _query("other parameters are ignored", f"{QUERY}&overload=stream&language=en", OK),
    _query("header injection in a parameter", f"{QUERY}&x=%0d%0aSet-Cookie:%20a=b", OK),
]

PATHS = [
    _path("path with a doubled slash in front", "/" + PATH, OK),
    _path("path with doubled slashes inside", PATH.replace("/image", "//image"), OK),
    _path("path with the server in front, as to a proxy", "http://127.0.0.1" + PATH, OK),
    _path("path in other letter case", PATH.upper(), OK),
    _path("path with the colon escaped", PATH.replace(":", "%3A"), OK),
    _path("alias without a colon", PATH.replace(":", "/"), OK),
    _path("unknown path", "/computervision/imageanalysis:analyze", E_404),
    _path("unknown path under a known one", PATH + "/more", E_404),
    _path("path of the 3.2 API", "/vision/v3.2/analyze", E_404),
    _path("root, posted to", "/", E_404),
    *[
        _path(f"method {method}", PATH, E_404, method)
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")
    ],
    _path("method in lower case", PATH, OK, "post"),
    _path("status, posted to", "/status", E_404),
]

KEY_HEADERS = [
    _header("first key", OK, Ocp_Apim_Subscription_Key=KEYS[0]),
    _header("second key", OK, Ocp_Apim_Subscription_Key=KEYS[1]),
    _header(
        "key header in lower case", OK, Ocp_Apim_Subscription_Key=None, ocp_apim_subscription_key=KEYS[1]
    ),
    _header("wrong key", E_401, Ocp_Apim_Subscription_Key="not-a-key"),
    _header("key with a longer end", E_401, Ocp_Apim_Subscription_Key=KEYS[0] + "x"),
    _header("both keys as the setting has them", E_401, Ocp_Apim_Subscription_Key=",".join(KEYS)),
    _header("empty key", E_401, Ocp_Apim_Subscription_Key=""),
    _header("key outside ASCII", E_401, Ocp_Apim_Subscription_Key="schl\xfcssel"),
    _header("no key", E_401, Ocp_Apim_Subscription_Key=None),
    _header("region header is ignored", OK, Ocp_Apim_Subscription_Region="westeurope"),
    _header("accept header is ignored", OK, Accept="application/json"),
]

CONTENT_TYPES = [
    _type("content type octet-stream", "application/octet-stream", OK),
    _type("content type image/jpeg", "image/jpeg", OK),
    _type("content type of another format than the bytes", "image/png", OK),
    _type("content type image/*", "image/*", OK),
    _type("content type in capitals, with a parameter", "Application/Octet-Stream; a=b", OK),
    _type("no content type", None, OK),
    _type("empty content type", "", OK),
    _type("content type text/plain", "text/plain", _unsupported("text/plain")),
    _type("content type text/plain with charset", "text/plain; charset=utf-8", _unsupported("text/plain")),
    _type("content type of a form in a page", "application/x-www-form-urlencoded",
          _unsupported("application/x-www-form-urlencoded")),
    _type("content type of 200 characters", "a/" + "b" * 198, _unsupported("a/" + "b" * 98)),
    _type("content type outside ASCII", "text/pl\xe4in", _unsupported("text/plin")),
]  # fmt: skip

FILE = 'Content-Disposition: form-data; name="anything"; filename="photo.jpg"\r\nContent-Type: image/jpeg'
FIELD = 'Content-Disposition: form-data; name="note"'

FORMS = [
    Case("form with one file", lambda _: form((FILE, jpeg())), OK),
    Case("form with fields before the file", lambda _: form((FIELD, b"x"), (FIELD, b"y"), (FILE, jpeg())), OK),
    Case("form: the first of two files", lambda _: form((FILE, jpeg()), (FILE, b"no image")), OK),
    Case("form with a part that has a type but no file name",
         lambda _: form(('Content-Disposition: form-data; name="i"\r\nContent-Type: image/jpeg', jpeg())), OK),
    Case("form with a part that has neither type nor file name", lambda _: form((FIELD, b"x"), (FIELD, jpeg())), OK),
    Case("form with an extended file name only",
         lambda _: form(("Content-Disposition: form-data; name=i; filename*=utf-8''%C3%A9.jpg", jpeg())), OK),
    Case("form with an empty file before the photo", lambda _: form((FILE, b""), (FILE, jpeg())), OK),
    Case("form with JSON before the photo",
         lambda _: form((f"{FIELD}\r\nContent-Type: application/json", b"{}"), (FIELD, jpeg())), OK),
    Case("form with folded header fields", lambda _: form((FILE.replace("; ", ";\r\n\t"), jpeg())), OK),
    Case("form without a file", lambda _: form((FIELD, b"x")), E_SIZE),
    Case("form with an empty file", lambda _: form((FILE, b"")), E_SIZE),
    Case("form with no part", lambda _: form(), E_SIZE),
    Case("form without a boundary", lambda _: form((FILE, jpeg()), boundary=""), E_SIZE),
    Case("form with another boundary", lambda _: form((FILE, jpeg()), boundary="other"), E_SIZE),
    Case("form that breaks off", lambda _: form((FILE, jpeg()), end=False), E_FORMAT),
    Case("form with a file of 20 971 520 bytes", lambda _: form((FILE, pictures.padded(pictures.LARGEST))), OK),
    Case("form with a file of 20 971 521 bytes",
         lambda _: form((FILE, pictures.padded(pictures.LARGEST + 1))), E_SIZE),
]  # fmt: skip

URLS = [
    _json("url", '{"url":"SITE/photo.jpg"}', OK),
    _json("url with a charset", '{"url":"SITE/photo.jpg"}', OK, "application/json; charset=utf-8"),
    _json("url in single quotes", "{'url':'SITE/photo.jpg'}", OK),
    _json("url in single quotes with spaces", "{ 'url' : 'SITE/photo.jpg' }", OK),
    _json("url in a property with a capital", '{"Url":"SITE/photo.jpg"}', OK),
    _json("url behind a byte order mark", '\ufeff{"url":"SITE/photo.jpg"}', OK),
    _json(
        "url with blanks and letters outside ASCII around escapes",
        '{"url":" SITE/my photo é.jpg%2Fsigned?sig=a%2Bb "}',
        OK,
    ),
    _json("url of blanks", '{"url":" "}', E_JSON),
    _json("url beside other members", '{"language":"en","url":"SITE/photo.jpg"}', OK),
    _json("url after three redirects", '{"url":"SITE/redirect/3"}', OK),
    _json("url after four redirects", '{"url":"SITE/redirect/4"}', E_URL),
    _json("url of a redirect without end", '{"url":"SITE/loop"}', E_URL),
    _json("url that answers 404", '{"url":"SITE/status/404"}', errors.UrlStatus(404)),
    _json("url that answers 500", '{"url":"SITE/status/500"}', errors.UrlStatus(500)),
    _json("url of an empty file", '{"url":"SITE/empty"}', E_SIZE),
    _json("url of 20 971 521 bytes", '{"url":"SITE/large"}', E_SIZE),
    _json("url of a text", '{"url":"SITE/text"}', E_FORMAT),
    _json("url of a port that is closed to callers", '{"url":"http://127.0.0.1:22/"}', E_URL),
    _json("url of the metadata service", '{"url":"http://169.254.169.254/metadata/instance"}', E_URL),
    _json("url of the platform's wire server", '{"url":"http://168.63.129.16/machine"}', E_URL),
    _json("url of a private network", '{"url":"http://10.0.0.1/photo.jpg"}', E_URL),
    _json("url of a redirect to the metadata service", '{"url":"SITE/to-metadata"}', E_URL),
    _json("url of a host that does not exist", '{"url":"http://no-such-host.invalid/photo.jpg"}', E_URL),
    _json("url with credentials", '{"url":"http://user:secret@127.0.0.1/"}', E_URL),
    _json("url of a file", '{"url":"file:///etc/passwd"}', E_URL),
    _json("url of ftp", '{"url":"ftp://example.com/photo.jpg"}', E_URL),
    _json("url that is a data URI", '{"url":"data:image/png;base64,AAAA"}', E_URL),
    _json("url that is no URL", '{"url":"photo.jpg"}', E_URL),
    _json("url empty", '{"url":""}', E_JSON),
    _json("url null", '{"url":null}', E_JSON),
    _json("url a number", '{"url":1}', E_JSON),
    _json("url missing", '{"uri":"SITE/photo.jpg"}', E_JSON),
    _json("json that is an array", '["SITE/photo.jpg"]', E_JSON),
    _json("json that is a string", '"SITE/photo.jpg"', E_JSON),
    _json("json that breaks off", '{"url":"SITE/photo', E_JSON),
    _json("json that is a photo", "\xff\xd8\xff", E_JSON),
    _json("json nested very deep", "[" * 60_000, E_JSON),
    _json("json empty", "", E_SIZE),
]

SIZES = [
    _image("image of 20 971 520 bytes", lambda: pictures.padded(pictures.LARGEST), OK),
    _image("image of 20 971 521 bytes", lambda: pictures.padded(pictures.LARGEST + 1), E_SIZE),
    _image("image empty", lambda: b"", E_SIZE),
    _image("image of one byte", lambda: b"\xff", E_FORMAT),
    Case("announced 20 971 521 bytes, none sent",
         lambda _: Request(body=b"", announced=pictures.LARGEST + 1), E_SIZE),
    Case("announced a terabyte", lambda _: Request(announced=1 << 40), E_SIZE),
    Case("chunked", lambda _: Request(chunked=True), OK),
    Case("chunked, empty", lambda _: Request(chunked=True, body=b""), E_SIZE),
    Case("chunked, 20 971 520 bytes",
         lambda _: Request(chunked=True, body=pictures.padded(pictures.LARGEST)), OK),
    Case("chunked, 20 971 521 bytes",
         lambda _: Request(chunked=True, body=pictures.padded(pictures.LARGEST + 1)), E_SIZE),
]  # fmt: skip

SIDES = [
    _image("sides 50 x 50", lambda: pictures.blank("PNG", 50, 50), Png(50, 50)),
    _image("side of 49 wide", lambda: pictures.blank("PNG", 49, 50), E_DIM),
    _image("side of 49 high", lambda: pictures.blank("PNG", 50, 49), E_DIM),
    _image("side of 16 000", lambda: pictures.blank("PNG", 16_000, 50), Png(16_000, 50)),
    _image("side of 16 001", lambda: pictures.blank("PNG", 16_001, 50), E_DIM),
    _image("sides 60 000 x 60 000 in the header", lambda: pictures.png_that_claims(60_000, 60_000), E_DIM),
    _image("icon around a picture of 60 000",
           lambda: pictures.icon_around(pictures.png_that_claims(60_000, 60_000)), E_DIM),
]  # fmt: skip

FORMATS = [
    *[_image(f"format {form}", lambda form=form: encoded(form, 160, 120), OK)  # type: ignore[misc]
      for form in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "MPO")],
    _image("format ICO", lambda: encoded("ICO", 128, 128), Png(128, 128)),
    *[_image(f"format {form} is not taken", lambda form=form: encoded(form, 160, 120), E_FORMAT)  # type: ignore[misc]
      for form in ("PPM", "TGA", "JPEG2000", "PDF", "EPS", "SGI", "PCX", "ICNS")],
    _image("format SVG is not taken", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', E_FORMAT),
    _image("first frame of a GIF", lambda: pictures.frames("GIF"), OK),
    _image("first frame of a WEBP", lambda: pictures.frames("WEBP"), OK),
    _image("first page of a TIFF", lambda: pictures.frames("TIFF"), OK),
    *[_image(f"EXIF orientation {turn}", lambda turn=turn: pictures.turned(turn),  # type: ignore[misc]
             Png(160, 120) if turn < 5 else Png(120, 160)) for turn in range(1, 9)],
    _image("matte of a picture that EXIF turns", lambda: pictures.turned(6), Png(120, 160, "L"), MATTE_QUERY),
    _image("CMYK", lambda: pictures.converted("JPEG", "CMYK"), OK),
    _image("gray", lambda: pictures.converted("JPEG", "L"), OK),
    _image("gray of 16 bits", lambda: pictures.converted("PNG", "I;16"), OK),
    _image("palette", lambda: pictures.converted("PNG", "P"), OK),
    _image("black and white", lambda: pictures.converted("PNG", "1"), OK),
    _image("transparent", pictures.transparent, OK),
    _image("JPEG that breaks off", lambda: jpeg()[:-500], E_FORMAT),
    _image("PNG that breaks off", lambda: encoded("PNG", 160, 120)[:-500], E_FORMAT),
    _image("PNG without its end", lambda: encoded("PNG", 160, 120)[:-12], E_FORMAT),
    _image("PNG that announces more than it has", lambda: pictures.png_that_claims(200, 200), E_FORMAT),
    _image("text", lambda: b"Hello", E_FORMAT),
    _image("JSON sent as an image", lambda: json.dumps({"url": "http://example.com/"}).encode(), E_FORMAT),
]  # fmt: skip

LARGE = [
    _image("cut-out of 16 000 000 pixels stays", lambda: pictures.blank("PNG", 4_000, 4_000), Png(4_000, 4_000)),
    _image("cut-out of more pixels is scaled down", lambda: pictures.blank("JPEG", 8_000, 4_000), Png(5_656, 2_828)),
    _image("matte of more pixels keeps its size",
           lambda: pictures.blank("JPEG", 8_000, 4_000), Png(8_000, 4_000, "L"), MATTE_QUERY),
]  # fmt: skip

_BAD = "api-version=bad&model-name=bad&mode=bad"

ORDER = [
    Case("path before key", lambda _: Request(path="/nowhere", headers={"Ocp-Apim-Subscription-Key": None}), E_404),
    Case("key before api-version", lambda _: Request(query=_BAD, headers={"Ocp-Apim-Subscription-Key": "bad"}), E_401),
    _query("api-version before model-name and mode", _BAD, E_404),
    _query("model-name before mode", f"{VERSION}&model-name=bad&mode=bad", E_404),
    Case("mode before content type",
         lambda _: Request(query=VERSION, headers={"Content-Type": "text/plain"}), E_MODE),
    Case("content type before size",
         lambda _: Request(headers={"Content-Type": "text/plain"}, body=b""), _unsupported("text/plain")),
    Case("size before json",
         lambda _: with_url("[" * (pictures.LARGEST + 1)), E_SIZE),
    Case("format before dimension", lambda _: Request(body=encoded("PPM", 20, 20)), E_FORMAT),
]  # fmt: skip

CASES = [
    *QUERIES,
    *PATHS,
    *KEY_HEADERS,
    *CONTENT_TYPES,
    *FORMS,
    *URLS,
    *SIZES,
    *SIDES,
    *FORMATS,
    *LARGE,
    *ORDER,
]
