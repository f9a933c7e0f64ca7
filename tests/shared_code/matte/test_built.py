import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared_code.matte.built import CATALOGUE, BuiltNetwork, Catalogue, ModelError, read_catalogue

CONTENT = b"an ONNX file, for all the catalogue knows"
NETWORK = BuiltNetwork("tiny", "tiny.onnx", hashlib.sha256(CONTENT).hexdigest(), 320, 256, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the build leaves it."""
    (tmp_path / "tiny.onnx").write_bytes(CONTENT)
    (tmp_path / CATALOGUE).write_text(Catalogue(tmp_path, "tiny", {"tiny": NETWORK}).json())
    return tmp_path


def test_read_as_written(folder: Path) -> None:
    catalogue = read_catalogue(folder)
    assert catalogue == Catalogue(folder, "tiny", {"tiny": NETWORK})
    assert catalogue.checked_path("tiny").read_bytes() == CONTENT


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(flip_a_bit, id="one bit altered"),
        pytest.param(lambda path: path.write_bytes(CONTENT[:-1]), id="cut"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(Path.unlink, id="missing"),
    ],
)
def test_refuses_a_file_that_is_not_what_was_built(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder / "tiny.onnx")
    with pytest.raises(ModelError, match=r"tiny\.onnx"):
        read_catalogue(folder).checked_path("tiny")


ENTRY = json.loads(Catalogue(Path(), "tiny", {"tiny": NETWORK}).json())["networks"]["tiny"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged"),
        (b"\xff", "is damaged"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged"),
        (json.dumps({"default": "tiny", "networks": {"tiny": {"name": "tiny"}}}).encode(), "is damaged"),
        (json.dumps({"default": "tiny", "networks": {"tiny": {**ENTRY, "more": 1}}}).encode(), "is damaged"),
        (json.dumps({"default": "nobody", "networks": {"tiny": ENTRY}}).encode(), "no network 'nobody'"),
    ],
)
def test_refuses_a_damaged_catalogue(folder: Path, content: bytes, message: str) -> None:
    (folder / CATALOGUE).write_bytes(content)
    with pytest.raises(ModelError, match=f"networks.json.*{message}"):
        read_catalogue(folder)


def test_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="make model"):
        read_catalogue(tmp_path)
