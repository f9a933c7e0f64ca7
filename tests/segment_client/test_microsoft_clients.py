"""Microsoft's own clients, unchanged, against the host: they get cut-outs, and parse our errors."""

import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from PIL import Image

from shared_code.errors import AccessDenied, ImageFormatInvalid, ModeInvalid, SegmentError
from tests.support.faults import Fault, faulty_proxy
from tests.support.hosts import KEYS, PROJECT, Host
from tests.support.photos import encoded
from tests.support.small_host import picture_by_url

PICTURE = encoded("JPEG", 64, 60)
JS = PROJECT / "tests" / "microsoft_js"


def segment(mode: str, **body: object) -> HttpRequest:
    return HttpRequest(
        "POST",
        "/imageanalysis:segment",
        params={"api-version": "2023-02-01-preview", "mode": mode},
        **body,  # type: ignore[arg-type]
    )


def sent_bytes(mode: str, data: bytes = PICTURE) -> HttpRequest:
    return segment(mode, content=data, headers={"Content-Type": "application/octet-stream"})


def python_client(endpoint: str, key: str = KEYS[0]) -> ImageAnalysisClient:
    return ImageAnalysisClient(endpoint, AzureKeyCredential(key))


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("mode", "pixels"), [("backgroundRemoval", "RGBA"), ("foregroundMatting", "L")])
def test_python_gets_a_png(host: Host, mode: str, pixels: str, slash: str) -> None:
    with python_client(host.url + slash) as client:
        response = client.send_request(sent_bytes(mode), stream=True)
        response.raise_for_status()
        png = b"".join(response.iter_bytes())
    assert response.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (64, 60), pixels)


def test_python_by_url(host: Host) -> None:
    with picture_by_url(PICTURE) as url, python_client(host.url) as client:
        response = client.send_request(segment("backgroundRemoval", json={"url": url}), stream=True)
        response.raise_for_status()
        assert Image.open(io.BytesIO(b"".join(response.iter_bytes()))).size == (64, 60)


@pytest.mark.parametrize(
    ("request_", "key", "expected"),
    [
        (sent_bytes("both"), KEYS[0], ModeInvalid()),
        (sent_bytes("backgroundRemoval"), "not-the-key", AccessDenied()),
        (sent_bytes("backgroundRemoval", b"no picture"), KEYS[0], ImageFormatInvalid()),
    ],
    ids=lambda value: getattr(value, "id", ""),
)
def test_python_parses_errors(host: Host, request_: HttpRequest, key: str, expected: SegmentError) -> None:
    with python_client(host.url, key) as client:
        response = client.send_request(request_)
        with pytest.raises(HttpResponseError) as raised:
            response.raise_for_status()
    assert raised.value.status_code == expected.status
    error = raised.value.error
    assert error
    assert (error.code, error.message) == (expected.code, expected.message)
    if expected.innererror:
        assert error.innererror == dict(zip(("code", "message"), expected.innererror, strict=True))


def test_python_tries_again_when_it_is_told_to(host: Host) -> None:
    with (
        faulty_proxy(host.url, lambda n, _: Fault.BUSY if n == 0 else Fault.NONE) as proxy,
        python_client(proxy.url) as client,
    ):
        response = client.send_request(sent_bytes("backgroundRemoval"), stream=True)
        assert response.status_code == 200
        response.close()
    assert proxy.seen == [Fault.BUSY, Fault.NONE]


def test_javascript(host: Host, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (JS / "node_modules").is_dir():
        pytest.skip("needs Microsoft's client for JavaScript: npm ci --prefix tests/microsoft_js")
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(PICTURE)
    with picture_by_url(PICTURE) as url:
        command: list[str | Path] = [node, JS / "segment.js", host.url, KEYS[0], picture, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    with python_client(host.url) as client:
        for name, mode in (
            ("cutout", "backgroundRemoval"),
            ("matte", "foregroundMatting"),
            ("byUrl", "backgroundRemoval"),
        ):
            response = client.send_request(sent_bytes(mode), stream=True)
            digest = hashlib.sha256(b"".join(response.iter_bytes())).hexdigest()
            expected = {"status": "200", "type": "image/png", "first": "\x89PNG\r\n\x1a\n", "sha256": digest}
            assert told[name] == expected
    for name, error in (
        ("wrongMode", ModeInvalid()),
        ("wrongKey", AccessDenied()),
        ("noPicture", ImageFormatInvalid()),
    ):
        assert told[name] == {
            "status": str(error.status),
            "header": error.code,
            "error": json.loads(error.body())["error"],
        }
    assert told["unexpected"] is True
