import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.metrics import Scores, mean_scores, score


def square(left: int, top: int, side: int = 40) -> NDArray[np.uint8]:
    alpha = np.zeros((100, 120), np.uint8)
    alpha[top : top + side, left : left + side] = 255
    return alpha


def noisy(seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(-90, 91, (100, 120))
    return (square(30 + seed, 30).astype(int) + noise).clip(0, 255).astype(np.uint8)


EMPTY = np.zeros((100, 120), np.uint8)
CASES = {
    "equal": (square(30, 30), square(30, 30)),
    "shifted by two": (square(32, 30), square(30, 30)),
    "shifted by ten": (square(40, 30), square(30, 30)),
    "apart": (square(0, 0), square(70, 50)),
    "touching the border": (square(0, 10), square(0, 0)),
    "both empty": (EMPTY, EMPTY),
    "nothing found": (EMPTY, square(30, 30)),
    "nothing there": (square(30, 30), EMPTY),
    "noisy": (noisy(1), noisy(5)),
}


@pytest.mark.parametrize("case", ["equal", "both empty"])
def test_nothing_wrong(case: str) -> None:
    assert score(*CASES[case]) == Scores(mae=0, mse=0, gradient=0, iou=1, boundary_f=1)


def test_everything_wrong() -> None:
    found = score(*CASES["apart"])
    assert found.mae == found.mse == pytest.approx(3200 / 12000)
    assert found.gradient > 0
    assert (found.iou, found.boundary_f) == (0, 0)


def test_a_boundary_two_pixels_off_is_within_the_slack() -> None:
    assert score(*CASES["shifted by two"]).boundary_f == 1
    assert score(*CASES["shifted by ten"]).boundary_f < 1


def test_means() -> None:
    assert mean_scores([Scores(0, 0, 2, 1, 1), Scores(1, 0.5, 4, 0, 0.5)]) == Scores(0.5, 0.25, 3, 0.5, 0.75)


@pytest.fixture(scope="module")
def outside_score(shared_data: Path) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], dict[str, float]]:
    """The scoring function of the tool beside the project."""
    tool = shared_data.parent / "tools" / "evaluate_mattes.py"
    if not tool.is_file():
        pytest.skip("needs ../shared/tools/evaluate_mattes.py")
    specification = importlib.util.spec_from_file_location("evaluate_mattes", tool)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    function: Callable[[NDArray[np.uint8], NDArray[np.uint8]], dict[str, float]] = module.score
    return function


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_tool_beside_the_project(
    case: str, outside_score: Callable[[NDArray[np.uint8], NDArray[np.uint8]], dict[str, float]]
) -> None:
    outside, own = outside_score(*CASES[case]), score(*CASES[case])
    assert own.mae == pytest.approx(outside["MAE"], abs=1e-6)
    assert own.mse == pytest.approx(outside["MSE"], abs=1e-6)
    assert own.gradient == pytest.approx(outside["Grad"], abs=1e-6)
    assert own.iou == pytest.approx(outside["IoU"])
    assert own.boundary_f == pytest.approx(outside["bF"])
