import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shared_code.matte.built import BUILT_DIR, read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import load_network
from shared_code.progress import Abandoned, Progress
from tests.support.photos import photo

pytestmark = pytest.mark.slow

if not (BUILT_DIR / "networks.json").is_file():
    pytest.skip("needs the networks: make model", allow_module_level=True)
CATALOGUE = read_catalogue(BUILT_DIR)


def portrait(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(photo().resize((side, side)))


@pytest.fixture(scope="module", params=sorted(CATALOGUE.networks))
def network(request: pytest.FixtureRequest) -> OnnxNetwork:
    return load_network(CATALOGUE, request.param, threads=2)


def test_mask_tells_the_foreground(network: OnnxNetwork) -> None:
    """The astronaut fills the middle of her portrait, the upper left corner is background."""
    for side in filter(None, (network.side, network.second_side)):
        mask = network.mask(portrait(side))
        assert mask.dtype == np.uint8
        assert mask.shape == (side, side)
        face = mask[side * 3 // 16 : side * 3 // 8, side * 25 // 64 : side // 2]
        corner = mask[: side // 16, : side // 16]
        assert face.mean() > 240
        assert corner.mean() < 15


def test_mask_of_a_black_picture(network: OnnxNetwork) -> None:
    """The network divides by the largest value of the picture, which is zero here."""
    black = np.zeros((network.side, network.side, 3), np.uint8)
    assert network.mask(black).shape == black.shape[:2]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_a_network(threads: int) -> None:
    """Pictures that meet get masks of their own, and the same as alone."""
    network = load_network(CATALOGUE, "u2netp", threads)
    upright = photo().resize((network.side, network.side))
    pictures = [np.asarray(upright.rotate(angle)) for angle in range(0, 360, 90)]
    alone = [network.mask(picture) for picture in pictures]
    with ThreadPoolExecutor(len(pictures)) as callers:
        together = list(callers.map(network.mask, pictures))
    np.testing.assert_array_equal(alone, together)


def test_a_run_ends_when_its_caller_leaves() -> None:
    """In the middle of the graph: the run would take many times longer than the caller stays."""
    network = load_network(CATALOGUE, "u2net", threads=1)
    picture = portrait(network.side)
    expected = network.mask(picture)
    for stays_s in (0.0, 0.005):
        progress = Progress()
        threading.Timer(stays_s, progress.abandon).start()
        with pytest.raises(Abandoned):
            network.mask(picture, progress)
    np.testing.assert_array_equal(network.mask(picture, Progress()), expected)


def test_a_caller_who_waits_for_a_turn_may_leave() -> None:
    network = load_network(CATALOGUE, "u2netp", threads=1)
    progress = Progress()
    threading.Timer(0.05, progress.abandon).start()
    with network._turn, pytest.raises(Abandoned):  # noqa: SLF001 (as another run has it)
        network.mask(portrait(network.side), progress)
    network.mask(portrait(network.side))
