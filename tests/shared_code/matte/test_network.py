from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from model_build.manifest import built_path, load_manifest
from shared_code.matte.inference import compiled
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import load_network
from tests.support.photos import photo

SMALL = load_manifest().networks["u2netp"]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_a_network(threads: int) -> None:
    """Pictures that meet get masks of their own, and the same as alone."""
    network = load_network(SMALL, threads)
    portrait = photo().resize((network.side, network.side))
    pictures = [np.asarray(portrait.rotate(angle)) for angle in range(0, 360, 45)]
    alone = [network.mask(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as callers:
        together = list(callers.map(network.mask, pictures))
    np.testing.assert_array_equal(alone, together)


def together(network: OnnxNetwork) -> list[NDArray[np.uint8]]:
    """Masks of one picture that several callers send at once."""
    picture = np.asarray(photo().resize((network.side, network.side)))
    with ThreadPoolExecutor(4) as callers:
        return list(callers.map(network.mask, [picture] * 8))


def test_a_second_copy_is_made_when_pictures_first_meet() -> None:
    """A lone caller, however often, pays for one only; the other stands for all that meet later."""
    made: list[int] = []

    def prepare(at_once: int) -> openvino.CompiledModel:
        made.append(at_once)
        return compiled(built_path(SMALL.name).read_bytes(), 2, at_once)

    network = OnnxNetwork(SMALL, "", 2, prepare)
    for _ in range(2):
        alone = network.mask(np.asarray(photo().resize((network.side, network.side))))
    assert made == [1]
    for _ in range(3):
        for mask in together(network):
            np.testing.assert_array_equal(mask, alone)
    assert made == [1, 2]


def test_pictures_take_turns_where_no_second_copy_can_be_made() -> None:
    made: list[int] = []

    def prepare(at_once: int) -> openvino.CompiledModel:
        made.append(at_once)
        if at_once > 1:
            raise RuntimeError("the file is gone")
        return compiled(built_path(SMALL.name).read_bytes(), 2)

    network = OnnxNetwork(SMALL, "", 2, prepare)
    for _ in range(3):
        assert len(together(network)) == 8
    assert made == [1, 2]
