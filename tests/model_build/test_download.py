"""Weights from an address, against a server with TLS on this machine."""

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from model_build.download import download
from model_build.errors import FetchError
from model_build.fetch import verified_weights
from model_build.manifest import UrlSource
from tests.model_build.test_fetch import WEIGHTS, network


class Files(BaseHTTPRequestHandler):
    """A few addresses and what becomes of them."""

    def do_GET(self) -> None:
        match self.path:
            case "/weights.onnx" | "/endless.onnx":
                self.send_response(200)
                if self.path == "/weights.onnx":
                    self.send_header("Content-Length", str(len(WEIGHTS)))
                self.end_headers()
                self.wfile.write(WEIGHTS)
            case "/cut.onnx":
                self.send_response(200)
                self.send_header("Content-Length", str(len(WEIGHTS) + 1))
                self.end_headers()
                self.wfile.write(WEIGHTS)
            case "/moved.onnx" | "/plain.onnx" | "/round.onnx":
                port = self.connection.getsockname()[1]
                to = {
                    "/moved.onnx": "/weights.onnx",
                    "/plain.onnx": f"http://127.0.0.1:{port}/weights.onnx",
                    "/round.onnx": "/round.onnx",
                }
                self.send_response(302)
                self.send_header("Location", to[self.path])
                self.end_headers()
            case _:
                self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem)
    )
    return path


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[str]:
    """Its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate counts as an authority's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("path", ["weights.onnx", "moved.onnx", "endless.onnx"])
def test_downloads_checks_and_keeps(
    server: str, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = network(UrlSource(f"{server}/{path}"))
    found = verified_weights(described, tmp_path)
    assert found.read_bytes() == WEIGHTS
    assert list(tmp_path.iterdir()) == [found]
    assert ("MB" in capsys.readouterr().err) == (path != "endless.onnx")


@pytest.mark.usefixtures("trusted")
def test_refuses_weights_that_are_others(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"weights\.onnx has sha256"):
        verified_weights(network(UrlSource(f"{server}/weights.onnx"), weights_sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("path", "most_bytes", "message"),
    [
        ("weights.onnx", len(WEIGHTS) - 1, "more than"),
        ("endless.onnx", len(WEIGHTS) - 1, "more than"),
        ("cut.onnx", 1 << 20, "could not be downloaded"),
        ("nowhere.onnx", 1 << 20, "404"),
        ("plain.onnx", 1 << 20, "is not https"),
        ("round.onnx", 1 << 20, "could not be downloaded"),
    ],
)
def test_refused(server: str, path: str, most_bytes: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=message):
        download(f"{server}/{path}", tmp_path / "file", most_bytes)


def test_a_server_nobody_vouches_for(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="could not be downloaded"):
        download(f"{server}/weights.onnx", tmp_path / "file")


def test_plain_http(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="is not https"):
        download("http://127.0.0.1:1/weights.onnx", tmp_path / "file")
