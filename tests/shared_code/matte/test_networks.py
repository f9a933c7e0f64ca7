import asyncio
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_build.manifest import BUILT_DIR, Manifest, built_path, load_manifest
from shared_code.errors import ResourceNotFound, ServiceUnavailable
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import ModelError, NetworkStore, State, load_network
from tests.support.photos import photo

MANIFEST = load_manifest()
SMALL = MANIFEST.networks["u2netp"]


@pytest.fixture(scope="module", params=sorted(MANIFEST.networks))
def network(request: pytest.FixtureRequest) -> OnnxNetwork:
    return load_network(MANIFEST.networks[request.param], threads=2)


def test_network_is_the_file_that_was_built(network: OnnxNetwork) -> None:
    assert network.sha256 == hashlib.sha256(built_path(network.name).read_bytes()).hexdigest()
    assert network.side == MANIFEST.networks[network.name].input.side_px


def test_mask_tells_the_foreground(network: OnnxNetwork) -> None:
    """The astronaut fills the middle of her portrait, the upper left corner is background."""
    rgb = np.asarray(photo().resize((network.side, network.side)))
    mask = network.mask(rgb)
    assert mask.dtype == np.uint8
    assert mask.shape == (network.side, network.side)
    side = network.side
    face = mask[side * 3 // 16 : side * 3 // 8, side * 25 // 64 : side // 2]
    corner = mask[: side // 16, : side // 16]
    assert face.mean() > 240
    assert corner.mean() < 15


def test_mask_of_a_black_picture() -> None:
    """The network divides by the largest value of the picture, which is zero here."""
    network = load_network(SMALL, threads=2)
    assert network.mask(np.zeros((network.side, network.side, 3), np.uint8)).shape == (
        network.side,
        network.side,
    )


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of built networks of its own."""
    monkeypatch.setattr("model_build.manifest.BUILT_DIR", tmp_path)
    return tmp_path


def build(folder: Path, name: str) -> None:
    """As `make model` leaves a network, under any name."""
    for suffix in (".onnx", ".blob"):
        shutil.copy(BUILT_DIR / f"u2netp{suffix}", folder / f"{name}{suffix}")
    sums = (BUILT_DIR / "u2netp.onnx.sha256").read_text()
    (folder / f"{name}.onnx.sha256").write_text(sums.replace("u2netp", name))


def alter(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda file, sums: sums.unlink(), id="no sha256"),
        pytest.param(lambda file, sums: sums.write_text(""), id="empty sha256"),
        pytest.param(lambda file, sums: sums.write_text("0" * 64), id="a sha256 of nothing"),
        pytest.param(
            lambda file, sums: sums.write_text(f"{'0' * 64}  u2netp.onnx\n{'0' * 64}  u2netp.blob\n"),
            id="another sha256",
        ),
        pytest.param(lambda file, sums: alter(file), id="one bit altered"),
        pytest.param(lambda file, sums: file.write_bytes(file.read_bytes()[:-1]), id="cut"),
    ],
)
def test_refuses_a_file_that_is_not_what_was_built(
    built: Path, spoil: Callable[[Path, Path], None], compiled: bool
) -> None:
    build(built, "u2netp")
    sums = built / "u2netp.onnx.sha256"
    if not compiled:
        sums.write_text(sums.read_text().splitlines()[0])
    load_network(SMALL, threads=1)
    spoil(built / ("u2netp.blob" if compiled else "u2netp.onnx"), sums)
    with pytest.raises(ModelError, match=r"u2netp\.(onnx|blob)"):
        load_network(SMALL, threads=1)


def test_refuses_to_do_without_the_model(built: Path) -> None:
    build(built, "u2netp")
    (built / "u2netp.blob").unlink()
    load_network(SMALL, threads=1)
    (built / "u2netp.onnx").unlink()
    with pytest.raises(ModelError, match=r"u2netp\.onnx is missing"):
        load_network(SMALL, threads=1)


def test_compiled_at_the_build_or_at_the_start(built: Path) -> None:
    """One is quicker, both are the same network."""
    build(built, "u2netp")
    sums = built / "u2netp.onnx.sha256"
    at_build = load_network(SMALL, threads=1)
    sums.write_text(sums.read_text().splitlines()[0])
    at_start = load_network(SMALL, threads=1)
    rgb = np.asarray(photo().resize((SMALL.input.side_px, SMALL.input.side_px)))
    np.testing.assert_array_equal(at_build.mask(rgb), at_start.mask(rgb))
    assert at_build.sha256 == at_start.sha256


class TestStore:
    def test_default_is_the_manifests(self) -> None:
        store = NetworkStore("", kept=2, threads=1)
        assert store.default == MANIFEST.default
        assert set(store.names) == set(MANIFEST.networks)
        assert (store.state, store.sha256) == (State.STARTING, None)

    def test_unknown_default_is_refused_at_start(self) -> None:
        with pytest.raises(ModelError, match="nobody"):
            NetworkStore("nobody", kept=2, threads=1)

    def test_loads_once_on_first_use(self) -> None:
        async def scene() -> None:
            store = NetworkStore("u2netp", kept=2, threads=1)
            store.preload()
            first, second, named = await asyncio.gather(store.get(None), store.get(None), store.get("u2netp"))
            assert first is second is named
            assert store.state is State.READY
            assert store.sha256 == first.sha256

        asyncio.run(scene())

    def test_unknown_name(self) -> None:
        with pytest.raises(ResourceNotFound):
            asyncio.run(NetworkStore("u2netp", kept=2, threads=1).get("nobody"))

    def test_default_that_cannot_be_loaded(self, built: Path) -> None:
        async def scene() -> None:
            store = NetworkStore("u2netp", kept=2, threads=1)
            for _ in range(2):
                with pytest.raises(ServiceUnavailable):
                    await store.get(None)
            assert (store.state, store.sha256) == (State.SETUP_FAILED, None)

        asyncio.run(scene())

    def test_another_that_could_not_be_loaded_is_tried_again(self, built: Path) -> None:
        async def scene() -> None:
            build(built, "u2netp")
            store = NetworkStore("u2netp", kept=2, threads=1)
            with pytest.raises(ServiceUnavailable):
                await store.get("u2net")
            build(built, "u2net")
            assert (await store.get("u2net")).name == "u2net"
            assert store.state is State.STARTING

        asyncio.run(scene())

    def test_a_call_waits_so_long_and_loading_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def scene() -> None:
            store = NetworkStore("u2netp", kept=2, threads=1)
            monkeypatch.setattr("shared_code.matte.networks._LOAD_WAIT_S", 0)
            with pytest.raises(ServiceUnavailable):
                await store.get(None)
            monkeypatch.undo()
            assert (await store.get(None)).name == "u2netp"

        asyncio.run(scene())

    def test_keeps_the_default_and_the_latest(self, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = ["default", "b", "c", "d"]
        for name in names:
            build(built, name)
        networks = {name: replace(SMALL, name=name) for name in names}
        monkeypatch.setattr("shared_code.matte.networks.load_manifest", lambda: Manifest("default", networks))

        async def scene() -> None:
            store = NetworkStore("", kept=3, threads=1)
            default, b, c = [await store.get(name) for name in ("default", "b", "c")]
            assert await store.get("b") is b
            d = await store.get("d")
            assert await store.get("d") is d
            assert await store.get("b") is b
            assert await store.get("c") is not c
            assert await store.get(None) is default

        asyncio.run(scene())
