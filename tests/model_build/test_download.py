"""Weights from an address, against a server with TLS on this machine."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from model_build.download import download
from model_build.errors import BuildError
from model_build.fetch import verified_weights
from model_build.manifest import UrlSource
from tests.model_build.test_fetch import WEIGHTS, network
from tests.support.folder_files import FolderFiles
from tests.support.loopback import listening


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
def server(certificate: Path) -> Iterator[str]:
    """Its address."""
    with listening(Files, certificate=certificate) as address:
        yield address


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
    with pytest.raises(BuildError, match=r"weights\.onnx has sha256"):
        verified_weights(network(UrlSource(f"{server}/weights.onnx"), weights_sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("path", "most_bytes", "message"),
    [
        ("weights.onnx", len(WEIGHTS) - 1, "has more than"),
        ("endless.onnx", len(WEIGHTS) - 1, "has more than"),
        ("cut.onnx", 1 << 20, "could not be downloaded"),
        ("nowhere.onnx", 1 << 20, "404"),
        ("plain.onnx", 1 << 20, "is not https"),
        ("round.onnx", 1 << 20, "could not be downloaded"),
    ],
)
def test_refused(server: str, path: str, most_bytes: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=message):
        download(f"{server}/{path}", tmp_path / "file", most_bytes)


def test_a_server_nobody_vouches_for(server: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="could not be downloaded"):
        download(f"{server}/weights.onnx", tmp_path / "file")


def test_plain_http(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="is not https"):
        download("http://127.0.0.1:1/weights.onnx", tmp_path / "file")


class Halves(FolderFiles):
    """Breaks off in the middle of what is asked for, unless less than 30 bytes are."""

    def most_bytes(self, size: int) -> int:
        return size if size < 30 else size // 2


class WithoutRanges(Halves):
    """Begins anew each time."""

    ranges = False


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with the weights in it."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "weights.onnx").write_bytes(WEIGHTS)
    return folder


@pytest.mark.usefixtures("trusted")
def test_goes_on_where_it_broke_off(certificate: Path, published: Path, tmp_path: Path) -> None:
    with listening(Halves.of(published), certificate=certificate) as address:
        download(f"{address}/weights.onnx", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == WEIGHTS
        asked = Halves.asked(published)
    assert asked == [("weights.onnx", 0), ("weights.onnx", 22)]


@pytest.mark.usefixtures("trusted")
def test_goes_on_as_long_as_more_comes(certificate: Path, published: Path, tmp_path: Path) -> None:
    content = bytes(range(200))
    (published / "weights.onnx").write_bytes(content)
    with listening(Halves.of(published), certificate=certificate) as address:
        download(f"{address}/weights.onnx", tmp_path / "file")
        asked = Halves.asked(published)
    assert (tmp_path / "file").read_bytes() == content
    assert [begin for _, begin in asked] == [0, 100, 150, 175]


@pytest.mark.usefixtures("trusted")
def test_goes_on_in_another_run(certificate: Path, published: Path, tmp_path: Path) -> None:
    """The server that broke off is gone; the next one is asked for the rest alone."""
    cache = tmp_path / "cache"
    with listening(WithoutRanges.of(published), certificate=certificate) as address:
        described = network(UrlSource(f"{address}/weights.onnx"))
        with pytest.raises(BuildError, match="could not be downloaded"):
            verified_weights(described, cache)
    (part,) = cache.iterdir()
    assert 0 < part.stat().st_size < len(WEIGHTS)
    begun = part.stat().st_size
    with listening(FolderFiles.of(published), certificate=certificate) as address:
        found = verified_weights(network(UrlSource(f"{address}/weights.onnx")), cache)
        assert FolderFiles.asked(published) == [("weights.onnx", begun)]
    assert found.read_bytes() == WEIGHTS
    assert list(cache.iterdir()) == [found]


@pytest.mark.usefixtures("trusted")
def test_a_beginning_of_another_file_is_thrown_away(
    certificate: Path, published: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with listening(FolderFiles.of(published), certificate=certificate) as address:
        described = network(UrlSource(f"{address}/weights.onnx"))
        part = cache / f"tiny-{described.weights_sha256[:16]}.onnx.part"
        part.write_bytes(b"another")
        with pytest.raises(BuildError, match=r"weights\.onnx has sha256"):
            verified_weights(described, cache)
        assert list(cache.iterdir()) == []
        assert verified_weights(described, cache).read_bytes() == WEIGHTS


@pytest.mark.usefixtures("trusted")
def test_external_data_comes_from_the_same_folder(certificate: Path, published: Path, tmp_path: Path) -> None:
    (published / "weights.onnx.data").write_bytes(b"much")
    sums = {"weights.onnx.data": hashlib.sha256(b"much").hexdigest()}
    with listening(FolderFiles.of(published), certificate=certificate) as address:
        described = replace(network(UrlSource(f"{address}/weights.onnx")), external_data=sums)
        found = verified_weights(described, tmp_path / "cache")
        assert found.with_name("weights.onnx.data").read_bytes() == b"much"
        (published / "weights.onnx.data").write_bytes(b"more")
        found.with_name("weights.onnx.data").unlink()
        with pytest.raises(BuildError, match=r"weights\.onnx\.data has sha256"):
            verified_weights(described, tmp_path / "cache")
