"""What is measured, where the machine has too little memory for it."""

import sys
from pathlib import Path

import pytest

from model_build import measure
from model_build.errors import BuildError
from model_build.measure import measured
from shared_code.matte.built import BuiltNetwork, Cost

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith(("linux", "darwin")), reason="the system does not tell a process its peak"
)

BUILT = BuiltNetwork("large", "large.onnx", "", 1024, None, None)


@pytest.fixture
def killed_from(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """So many runs at once are too many."""

    def take(built: BuiltNetwork, model: Path, runs: int) -> tuple[int, float]:
        assert (built, model) == (BUILT, Path("large.onnx"))
        if runs >= request.param:
            raise BuildError("large: the process that ran it was killed; it may need more memory")
        return 1000 + 200 * runs, 4.56789

    monkeypatch.setattr(measure, "_in_a_process", take)


@pytest.mark.parametrize(
    ("killed_from", "cost"),
    [(3, Cost(1200, 1400, 4.568)), (2, Cost(1200, 2400, 4.568))],
    indirect=["killed_from"],
)
@pytest.mark.usefixtures("killed_from")
def test_two_runs(cost: Cost) -> None:
    assert measured(BUILT, Path("large.onnx")) == cost


@pytest.mark.parametrize("killed_from", [1], indirect=True)
@pytest.mark.usefixtures("killed_from")
def test_not_even_one_run() -> None:
    with pytest.raises(BuildError, match="it may need more memory"):
        measured(BUILT, Path("large.onnx"))


@pytest.mark.slow
def test_file_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(BuildError, match="large: ") as caught:
        measured(BUILT, path)
    assert "\n" not in str(caught.value)
