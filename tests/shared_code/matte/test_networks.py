import asyncio
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from shared_code.errors import ResourceNotFound, ServiceUnavailable
from shared_code.matte import networks
from shared_code.matte.built import BUILT_DIR, BuiltNetwork, Catalogue, ModelError, read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import NetworkStore, State
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

if not (BUILT_DIR / "networks.json").is_file():
    pytest.skip("needs the networks: make model", allow_module_level=True)
BUILT = read_catalogue()
SMALL = BUILT.networks["u2netp"]
NAMES = ("small", "b", "c", "d")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Four networks in a folder of their own, each the small one under another name."""
    for name in NAMES:
        shutil.copy(BUILT.folder / SMALL.file, tmp_path / f"{name}.onnx")
    return Catalogue(
        tmp_path, "small", {name: replace(SMALL, name=name, file=f"{name}.onnx") for name in NAMES}
    )


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "RETRY_AFTER_S", (0, 0))
    monkeypatch.setattr(networks, "END_AFTER_S", 0.1)
    monkeypatch.setattr(networks, "REST_S", 0)


class Watched(NetworkStore):
    """Shows what is under way."""

    def under_way(self, name: str) -> Future[OnnxNetwork]:
        return self._networks[name]


def spoil(catalogue: Catalogue, name: str) -> Callable[[], object]:
    """Take the file away; what is answered puts it back."""
    path = catalogue.folder / f"{name}.onnx"
    content = path.read_bytes()
    path.unlink()
    return lambda: path.write_bytes(content)


def test_default_is_the_catalogues() -> None:
    store = NetworkStore(BUILT, "", kept=2, threads=1)
    assert store.default == BUILT.default
    assert set(store.names) == set(BUILT.networks)
    assert (store.state, store.loaded) == (State.STARTING, None)


def test_unknown_default_is_refused_at_start() -> None:
    with pytest.raises(ModelError, match="nobody"):
        NetworkStore(BUILT, "nobody", kept=2, threads=1)


def test_umpires_are_not_offered_to_choose() -> None:
    def offered(default: str, **umpires: str | None) -> list[str]:
        built = {name: BuiltNetwork(name, "", "", 320, None, umpire) for name, umpire in umpires.items()}
        return NetworkStore(Catalogue(Path(), "a", built), default, kept=2, threads=1).choices

    assert offered("", a="z", z=None) == ["a"]
    assert offered("", c=None, a="z", b=None, z=None) == ["a", "b", "c"]
    assert offered("z", a="z", z=None) == ["z", "a"]


def test_loads_once_on_first_use() -> None:
    async def scene() -> None:
        store = NetworkStore(BUILT, "u2netp", kept=2, threads=1)
        store.preload()
        first, second, named = await asyncio.gather(store.get(None), store.get(None), store.get("u2netp"))
        assert first is second is named
        assert store.state is State.READY
        assert store.loaded is first
        assert first.sha256 == SMALL.sha256

    asyncio.run(scene())


def test_unknown_name() -> None:
    with pytest.raises(ResourceNotFound):
        asyncio.run(NetworkStore(BUILT, "u2netp", kept=2, threads=1).get("nobody"))


@pytest.mark.usefixtures("no_pauses")
def test_default_that_cannot_be_loaded_is_given_up_once(
    catalogue: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    given_up: SimpleQueue[State] = SimpleQueue()
    spoil(catalogue, "small")

    async def scene() -> None:
        store = NetworkStore(catalogue, "", 2, 1, lambda: given_up.put(store.state))
        for _ in range(3):
            with pytest.raises(ServiceUnavailable):
                await store.get(None)
        assert (store.state, store.loaded) == (State.SETUP_FAILED, None)

    asyncio.run(scene())
    assert given_up.get(timeout=PATIENCE_S) is State.SETUP_FAILED, "those who waited were refused before"
    assert given_up.empty()
    assert [line for _, level, line in caplog.record_tuples if level == logging.CRITICAL] == [
        "network small cannot be loaded"
    ]


def test_default_is_tried_again_until_it_loads(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller who waits gets it."""
    monkeypatch.setattr(networks, "RETRY_AFTER_S", (0, 3600))
    restore = spoil(catalogue, "small")

    async def scene() -> None:
        store = NetworkStore(catalogue, "", kept=2, threads=1)
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                assert store.state is State.STARTING
                restore()

        monkeypatch.setattr("shared_code.matte.networks.time.sleep", sleep)
        assert (await store.get(None)).name == "small"
        assert pauses == [0, 3600]
        assert store.state is State.READY

    asyncio.run(scene())
    assert "tried again in 3600 s" in caplog.text


@pytest.mark.usefixtures("no_pauses")
def test_another_that_could_not_be_loaded_is_tried_when_asked_again(catalogue: Catalogue) -> None:
    restore = spoil(catalogue, "b")

    async def scene() -> None:
        store = NetworkStore(catalogue, "", kept=2, threads=1)
        with pytest.raises(ServiceUnavailable):
            await store.get("b")
        restore()
        assert (await store.get("b")).name == "b"
        assert store.state is State.STARTING

    asyncio.run(scene())


def test_another_that_could_not_be_loaded_rests(catalogue: Catalogue) -> None:
    restore = spoil(catalogue, "b")

    async def scene() -> None:
        store = NetworkStore(catalogue, "", kept=2, threads=1)
        for _ in range(2):
            with pytest.raises(ServiceUnavailable):
                await store.get("b")
            restore()

    asyncio.run(scene())


@pytest.mark.usefixtures("no_pauses")
def test_a_late_waiter_does_not_undo_anothers_retry(catalogue: Catalogue) -> None:
    """Who learns of a failure late leaves alone what was begun since."""
    restore = spoil(catalogue, "b")

    async def scene() -> None:
        store = Watched(catalogue, "", kept=2, threads=1)
        late = asyncio.create_task(store.get("b"))
        await asyncio.sleep(0)
        with pytest.raises(ModelError):
            store.under_way("b").result(timeout=PATIENCE_S)
        restore()
        retried = asyncio.create_task(store.get("b"))
        await asyncio.sleep(0)
        second = store.under_way("b")
        with pytest.raises(ServiceUnavailable):
            await late
        assert store.under_way("b") is second
        assert (await store.get("b")) is (await retried) is second.result()

    asyncio.run(scene())


def test_a_call_waits_so_long_and_loading_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        store = NetworkStore(BUILT, "u2netp", kept=2, threads=1)
        monkeypatch.setattr(networks, "LOAD_WAIT_S", 0)
        with pytest.raises(ServiceUnavailable):
            await store.get(None)
        monkeypatch.undo()
        assert (await store.get(None)).name == "u2netp"

    asyncio.run(scene())


def test_keeps_the_default_and_the_latest(catalogue: Catalogue) -> None:
    async def scene() -> None:
        store = NetworkStore(catalogue, "", kept=3, threads=1)
        default, b, c = [await store.get(name) for name in ("small", "b", "c")]
        assert await store.get("b") is b
        d = await store.get("d")
        assert await store.get("d") is d
        assert await store.get("b") is b
        assert await store.get("c") is not c
        assert await store.get(None) is default

    asyncio.run(scene())
