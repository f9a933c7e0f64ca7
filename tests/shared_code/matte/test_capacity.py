"""What fits an instance, by what networks were measured to take."""

from pathlib import Path

import pytest

from shared_code.matte.built import BuiltNetwork, Catalogue, Cost, ModelError
from shared_code.matte.capacity import SIZES_MB, capacity, smallest_instance_mb
from shared_code.settings import NOT_FOR_PICTURES_MB, load_settings


def catalogue(**costs: Cost | None) -> Catalogue:
    """Of the default, its umpire, and others."""
    usual = {"usual": Cost(150, 190, 0.3), "umpire": Cost(100, 140, 0.2)}
    built = {
        name: BuiltNetwork(name, f"{name}.onnx", "", 320, None, "umpire" if name == "usual" else None, cost)
        for name, cost in {**usual, **costs}.items()
    }
    return Catalogue(Path(), "usual", built)


LARGE = Cost(1060, 1290, 4.5)


def test_a_machine_whose_memory_is_not_known() -> None:
    found = capacity(load_settings({"SEGMENT_MODEL": "large"}), catalogue(large=LARGE), 2)
    assert found.runs == 2
    assert found.settings.memory_budget_mb == 1080
    assert found.catalogue.networks.keys() == {"usual", "umpire", "large"}


@pytest.mark.parametrize(("size_mb", "cores"), [(2048, 1), (4096, 2)])
def test_the_usual_networks_take_what_they_are_measured_to(size_mb: int, cores: int) -> None:
    found = capacity(load_settings({"SEGMENT_INSTANCE_MB": str(size_mb)}), catalogue(), cores)
    assert found.settings.memory_budget_mb == size_mb - NOT_FOR_PICTURES_MB
    assert found.catalogue == catalogue()
    assert found.runs == cores


@pytest.mark.parametrize(
    ("cost", "size_mb", "cores", "runs", "budget_mb", "offered"),
    [
        # 968 are for the usual networks; of these 250 MB with one run at once, and 330 with two.
        (Cost(1000, 1500, 4), 2048, 1, 1, 2048 - 968 - (1000 - 250), {"large"}),
        (Cost(1000, 1500, 4), 4096, 2, 2, 4096 - 968 - (1500 - 330) - 330, {"large", "usual", "umpire"}),
        (Cost(2900, 5000, 4), 4096, 2, 1, 4096 - 968 - (2900 - 250) - 100, {"large", "umpire"}),
    ],
)
def test_a_large_network_takes_of_what_pictures_have(
    cost: Cost, size_mb: int, cores: int, runs: int, budget_mb: int, offered: set[str]
) -> None:
    """What comes beside it when it is asked for is counted as well, or not offered."""
    settings = load_settings({"SEGMENT_MODEL": "large", "SEGMENT_INSTANCE_MB": str(size_mb)})
    found = capacity(settings, catalogue(large=cost), cores)
    assert found.runs == runs
    assert found.settings.memory_budget_mb == budget_mb
    assert found.catalogue.networks.keys() == offered
    assert found.catalogue.default == ("usual" if "usual" in offered else "large")


def test_a_network_that_needs_a_larger_instance() -> None:
    settings = load_settings({"SEGMENT_MODEL": "large", "SEGMENT_INSTANCE_MB": "2048"})
    with pytest.raises(ModelError, match=r"needs one of 4096 MB \(azd env set INSTANCE_MEMORY_MB 4096"):
        capacity(settings, catalogue(large=Cost(1600, 2000, 4)), 1)


def test_a_network_that_fits_nowhere() -> None:
    settings = load_settings({"SEGMENT_MODEL": "large", "SEGMENT_INSTANCE_MB": "4096"})
    needed = 968 + (4000 - 250) + 256
    with pytest.raises(ModelError, match=f"takes 4000 MB and needs {needed} MB in all, more than an inst"):
        capacity(settings, catalogue(large=Cost(4000, 6000, 4)), 2)


@pytest.mark.parametrize(("one_run_mb", "size_mb"), [(1000, 2048), (1074, 2048), (1075, 4096), (4000, None)])
def test_the_smallest_instance(one_run_mb: int, size_mb: int | None) -> None:
    built = catalogue(large=Cost(one_run_mb, 5000, 4))
    assert smallest_instance_mb(built, "large") == size_mb
    for size in SIZES_MB:
        settings = load_settings({"SEGMENT_MODEL": "large", "SEGMENT_INSTANCE_MB": str(size)})
        if size_mb is not None and size >= size_mb:
            assert capacity(settings, built, 1).runs == 1
        else:
            with pytest.raises(ModelError):
                capacity(settings, built, 1)


def test_a_network_too_large_beside_the_default_is_not_offered() -> None:
    found = capacity(load_settings({"SEGMENT_INSTANCE_MB": "2048"}), catalogue(large=LARGE), 1)
    assert found.catalogue.networks.keys() == {"usual", "umpire"}
    assert found.settings.memory_budget_mb == 2048 - NOT_FOR_PICTURES_MB


def test_what_was_not_measured_is_not_counted() -> None:
    settings = load_settings({"SEGMENT_MODEL": "large", "SEGMENT_INSTANCE_MB": "2048"})
    found = capacity(settings, catalogue(large=None), 1)
    assert found.catalogue.networks.keys() == {"usual", "umpire", "large"}


@pytest.mark.parametrize(
    ("environment", "seconds", "wait_s"),
    [
        ({}, 0.3, 10),
        ({}, 15, 30),
        ({}, 90, 105),
        ({"SEGMENT_SLOT_WAIT_S": "3"}, 15, 3),
        ({"SEGMENT_SLOT_WAIT_S": "0"}, 15, 0),
    ],
)
def test_a_slow_network_is_waited_for(environment: dict[str, str], seconds: float, wait_s: float) -> None:
    settings = load_settings({"SEGMENT_MODEL": "slow", **environment})
    found = capacity(settings, catalogue(slow=Cost(100, 100, seconds)), 2)
    assert found.settings.slot_wait_s == wait_s


def test_a_network_slower_than_the_deadline() -> None:
    with pytest.raises(ModelError, match="slow takes 300 s for a picture on one core, and SEGMENT_DEAD"):
        capacity(load_settings({"SEGMENT_MODEL": "slow"}), catalogue(slow=Cost(100, 100, 300)), 2)


def test_a_network_that_is_not_built() -> None:
    with pytest.raises(ModelError, match="SEGMENT_MODEL: no network 'nobody' is built, only usual, umpire"):
        capacity(load_settings({"SEGMENT_MODEL": "nobody"}), catalogue(), 2)
