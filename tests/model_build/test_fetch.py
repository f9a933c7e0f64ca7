import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from model_build.errors import BuildError
from model_build.fetch import file_sha256, verified_weights
from model_build.manifest import FileSource, Input, Licence, Network, Output, UrlSource, WheelSource

pytestmark = pytest.mark.slow

WEIGHTS = b"not really a network, but bytes with a sha256"
WEIGHTS_SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
WHEEL = "tiny_weights-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip sees; it holds a wheel that wants an old Python."""
    folder = tmp_path / "index"
    folder.mkdir()
    files = {
        "tiny/weights.onnx": WEIGHTS,
        "tiny_weights-1.0.dist-info/METADATA": (
            b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Python: <3.9\n"
        ),
        "tiny_weights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_record_hash(data)},{len(data)}\n" for name, data in files.items())
    files["tiny_weights-1.0.dist-info/RECORD"] = record.encode()
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def network(
    source: WheelSource | UrlSource | FileSource,
    weights_sha256: str = WEIGHTS_SHA256,
) -> Network:
    return Network(
        name="tiny",
        source=source,
        weights_sha256=weights_sha256,
        licence=Licence("MIT", "MIT"),
        training_data="none",
        input=Input(32, 255.0, (0, 0, 0), (1, 1, 1), name="x"),
        output=Output("probability", "y"),
        quantization=None,
        umpire=None,
    )


def wheel_source(
    index: Path,
    *,
    version: str = "1.0",
    wheel_sha256: str | None = None,
    member: str = "tiny/weights.onnx",
) -> WheelSource:
    return WheelSource("tiny-weights", version, wheel_sha256 or file_sha256(index / WHEEL), member)


def test_downloads_checks_and_keeps(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    described = network(wheel_source(index))
    path = verified_weights(described, cache)
    assert path.read_bytes() == WEIGHTS
    (index / WHEEL).unlink()
    assert verified_weights(described, cache) == path, "the cached file is enough"
    assert list(cache.iterdir()) == [path], "nothing else is kept"


def test_altered_cached_file_is_replaced(index: Path, tmp_path: Path) -> None:
    described = network(wheel_source(index))
    path = verified_weights(described, tmp_path / "cache")
    path.write_bytes(WEIGHTS + b"!")
    assert verified_weights(described, tmp_path / "cache").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"wheel_sha256": "0" * 64}, "pip could not download tiny-weights==1.0"),
        ({"member": "tiny/other.onnx"}, "has no member tiny/other.onnx"),
        ({"version": "2.0"}, "pip could not download tiny-weights==2.0"),
    ],
)
def test_refuses_a_wheel_that_is_another(
    index: Path, tmp_path: Path, wrong: dict[str, str], message: str
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(BuildError, match=message):
        verified_weights(network(wheel_source(index, **wrong)), cache)
    assert list(cache.iterdir()) == []


def test_refuses_weights_that_are_others(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(BuildError, match=r"weights\.onnx has sha256"):
        verified_weights(network(wheel_source(index), weights_sha256="0" * 64), cache)
    assert list(cache.iterdir()) == []


def test_refuses_a_broken_archive(index: Path, tmp_path: Path) -> None:
    """pip looks into a wheel as well, so whichever of the two is first to refuse it will do."""
    data = (index / WHEEL).read_bytes()
    (index / WHEEL).write_bytes(data[: len(data) // 2])
    with pytest.raises(BuildError):
        verified_weights(network(wheel_source(index)), tmp_path / "cache")


def test_file_beside_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    source = FileSource(str(path))
    with pytest.raises(BuildError, match=r"mine\.onnx does not exist"):
        verified_weights(network(source))
    path.write_bytes(WEIGHTS)
    assert verified_weights(network(source)) == path
    with pytest.raises(BuildError, match=r"mine\.onnx has sha256"):
        verified_weights(network(source, weights_sha256="0" * 64))
