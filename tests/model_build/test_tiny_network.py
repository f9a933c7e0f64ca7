"""Another network, described in the manifest's terms, goes the whole way that U-2-Net goes."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from model_build.__main__ import main
from model_build.build import already_built
from model_build.errors import BuildError
from model_build.fetch import file_sha256
from model_build.fidelity import Reference, mask_values, normalise
from model_build.manifest import Input, Manifest, Network, Output, Quantization
from shared_code.matte.built import BuiltNetwork, read_catalogue
from shared_code.matte.network import OnnxNetwork
from shared_code.settings import load_settings
from tests.model_build.tiny_network import SIDE_PX, tiny_network
from tests.model_build.usual import usual_model

RANDOM = np.random.default_rng(3)
PICTURES: list[NDArray[np.uint8]] = [
    RANDOM.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8),
    np.full((SIDE_PX, SIDE_PX, 3), 200, np.uint8),
    np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8),
    np.linspace(0, 100, SIDE_PX * SIDE_PX * 3).reshape(SIDE_PX, SIDE_PX, 3).astype(np.uint8),
]
HALF_A_LEVEL = 0.5 / 255


def weights(network: Network) -> Path:
    return Path(getattr(network.source, "file", ""))


def no_step(what: str) -> None:
    """Nobody watches."""


def opened(network: Network, model: bytes) -> OnnxNetwork:
    sides = network.input.side_px, network.input.second_side_px
    return OnnxNetwork(BuiltNetwork(network.name, "", "", *sides, None), model, 1)


def integer_convolutions(model: bytes) -> int:
    """How many convolutions compute on 8-bit numbers."""
    return sum(node.op_type == "QLinearConv" for node in onnx.load_from_string(model).graph.node)


OUTPUTS = [Output("relative", "last"), Output("probability", "unused"), Output("logit", "last")]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.values)
@pytest.mark.parametrize("divide_by", ["maximum", 255.0])
def test_float_network_with_its_normalisation(
    tmp_path: Path, output: Output, divide_by: Literal["maximum"] | float
) -> None:
    """The graph's own normalisation is the one that numpy computes."""
    tiny = tiny_network(tmp_path)
    tiny = replace(tiny, input=replace(tiny.input, divide_by=divide_by), output=output)
    model = usual_model(tiny, weights(tiny), no_step)
    assert integer_convolutions(model) == 0
    shipped, exact = opened(tiny, model), Reference(tiny, weights(tiny), SIDE_PX)
    for picture in PICTURES:
        np.testing.assert_allclose(shipped.mask(picture) / 255, exact.mask(picture), atol=HALF_A_LEVEL + 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [(), ("by_channel",)])
def test_int8_network(tmp_path: Path, kept: tuple[str, ...]) -> None:
    """The last has one output and stays float."""
    tiny = tiny_network(tmp_path, Quantization(kept, 0.02))
    model = usual_model(tiny, weights(tiny), no_step)
    assert integer_convolutions(model) == 2 - len(kept)
    assert usual_model(tiny, weights(tiny), no_step) == model
    shipped, exact = opened(tiny, model), Reference(tiny, weights(tiny), SIDE_PX)
    differences = [np.abs(shipped.mask(picture) / 255 - exact.mask(picture)).mean() for picture in PICTURES]
    assert np.mean(differences) < 0.02


def test_another_side_than_the_file_says(tmp_path: Path) -> None:
    """Files are often exported for one size, with all that follows from it written down."""
    tiny = tiny_network(tmp_path)
    open_sides = Reference(tiny, weights(tiny), SIDE_PX)
    model = onnx.load(weights(tiny))
    shape = model.graph.input[0].type.tensor_type.shape
    for dimension, size in zip(shape.dim, [1, 3, SIDE_PX // 2, SIDE_PX // 2], strict=True):
        dimension.dim_value = size
    onnx.save(onnx.shape_inference.infer_shapes(model), weights(tiny))
    shipped, exact = (
        opened(tiny, usual_model(tiny, weights(tiny), no_step)),
        Reference(tiny, weights(tiny), SIDE_PX),
    )
    for picture in PICTURES:
        np.testing.assert_array_equal(exact.mask(picture), open_sides.mask(picture))
        np.testing.assert_allclose(shipped.mask(picture) / 255, exact.mask(picture), atol=HALF_A_LEVEL + 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("quantization", [None, Quantization((), 0.02)])
def test_two_sides_in_one_file(tmp_path: Path, quantization: Quantization | None) -> None:
    """Enlargements to a written size, as PyTorch exports them, become factors."""
    tiny = tiny_network(tmp_path, quantization)
    model = onnx.load(weights(tiny))
    enlarge = next(node for node in model.graph.node if node.op_type == "Resize")
    enlarge.input[:] = [enlarge.input[0], "", "", "size"]
    size = np.array([1, 8, SIDE_PX, SIDE_PX], np.int64)
    model.graph.initializer.append(onnx.numpy_helper.from_array(size, "size"))
    original = tiny_network(tmp_path)
    onnx.save(model, tmp_path / "written.onnx")
    tiny = replace(tiny, input=replace(tiny.input, second_side_px=SIDE_PX // 2))
    both = opened(tiny, usual_model(tiny, tmp_path / "written.onnx", no_step))
    for side in (SIDE_PX, SIDE_PX // 2):
        exact = Reference(original, weights(original), side)
        for picture in (picture[:side, :side] for picture in PICTURES):
            difference = np.abs(both.mask(picture) / 255 - exact.mask(picture)).mean()
            assert difference < (0.005 if quantization is None else 0.02)


def test_ends_are_pictures(tmp_path: Path) -> None:
    tiny = tiny_network(tmp_path)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        usual_model(tiny, weights(tiny), no_step), options, ["CPUExecutionProvider"]
    )
    (picture,), (mask,) = session.get_inputs(), session.get_outputs()
    assert (picture.type, picture.shape) == ("tensor(uint8)", [1, SIDE_PX, SIDE_PX, 3])
    assert (mask.type, mask.shape) == ("tensor(uint8)", [1, SIDE_PX, SIDE_PX])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda tiny: replace(tiny, input=replace(tiny.input, name="nothing")), BuildError),
        (lambda tiny: replace(tiny, output=Output("logit", "nothing")), BuildError),
        (lambda tiny: replace(tiny, quantization=Quantization(("nothing",), 0.02)), BuildError),
    ],
)
def test_description_of_another_file(
    tmp_path: Path, change: Callable[[Network], Network], error: type[BuildError]
) -> None:
    tiny = tiny_network(tmp_path)
    with pytest.raises(error, match="nothing"):
        usual_model(change(tiny), weights(tiny), no_step)


def test_file_that_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"\x00not a network")
    with pytest.raises(BuildError, match="tiny"):
        usual_model(tiny_network(tmp_path), tmp_path / "tiny.onnx", no_step)


def test_normalise() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 1] = 10, 20, 40
    described = Input(32, "maximum", (0.25, 0.5, 0.5), (0.5, 0.5, 0.25))
    normal = normalise(picture, described)
    assert normal.dtype == np.float32
    assert normal.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(normal[0, :, 0, 1], [0, 0, 2])
    np.testing.assert_allclose(normal[0, :, 1, 0], [-0.5, -1, -2])


@pytest.mark.parametrize(
    ("output", "raw", "expected"),
    [
        (Output("relative", "y"), [2, 4, 6], [0, 0.5, 1]),
        (Output("relative", "y"), [3, 3, 3], [0, 0, 0]),
        (Output("probability", "y"), [-0.5, 0.5, 1.5], [0, 0.5, 1]),
        (Output("logit", "y"), [-30, 0, 30], [0, 0.5, 1]),
    ],
)
def test_mask_values(output: Output, raw: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(mask_values(np.array(raw, np.float32), output), expected, atol=1e-6)


@pytest.mark.slow
class TestBuild:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where built files go."""
        return tmp_path / "built"

    def run(self, network: Network, folder: Path, names: tuple[str, ...] = ()) -> int:
        """The command, with a manifest of this network only."""
        return main(
            list(names), lambda: Manifest("tiny", {"tiny": network}), folder, lambda: load_settings({})
        )

    def test_writes_and_skips(self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        tiny = tiny_network(tmp_path, Quantization((), 0.05))
        assert self.run(tiny, folder) == 0
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert files.keys() == {"networks.json", "tiny.onnx", "tiny.stamp"}
        assert "[tiny " in capsys.readouterr().out
        catalogue = read_catalogue(folder)
        assert catalogue.networks == {"tiny": already_built(tiny, folder)}
        assert catalogue.checked_path("tiny") == folder / "tiny.onnx"
        assert self.run(tiny, folder, ("tiny",)) == 0
        assert capsys.readouterr().out == ""
        assert already_built(replace(tiny, training_data="another"), folder) is None
        (folder / "tiny.onnx").write_bytes(files["tiny.onnx"] + b"\0")
        assert already_built(tiny, folder) is None
        assert self.run(tiny, folder) == 0
        assert (folder / "tiny.onnx").read_bytes() == files["tiny.onnx"]

    def test_says_only_what_a_person_reads(
        self, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """A size that becomes a factor leaves a constant that no node reads; ONNX Runtime warns of each."""
        tiny = tiny_network(tmp_path, Quantization((), 0.05))
        model = onnx.load(weights(tiny))
        enlarge = next(node for node in model.graph.node if node.op_type == "Resize")
        enlarge.input[:] = [enlarge.input[0], "", "", "size"]
        model.graph.node.insert(3, onnx.helper.make_node("Shape", ["wide"], ["size"]))
        onnx.save(model, weights(tiny))
        both = replace(tiny.input, second_side_px=SIDE_PX // 2)
        assert self.run(replace(tiny, input=both, weights_sha256=file_sha256(weights(tiny))), folder) == 0
        assert "onnxruntime" not in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("names", "output", "message"),
        [
            (("nobody",), "last", "the manifest has no network 'nobody'; it has tiny"),
            ((), "first", "tiny: the file has the outputs last, unused, not first"),
        ],
    )
    def test_failure_is_said_and_nothing_written(
        self,
        names: tuple[str, ...],
        output: str,
        message: str,
        folder: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        tiny = replace(tiny_network(tmp_path), output=Output("logit", output))
        assert self.run(tiny, folder, names) == 1
        said = capsys.readouterr().err
        assert said.startswith("model not built: ")
        assert message in said
        assert not folder.exists()

    def test_what_is_on_request_is_built_when_it_is_chosen(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tiny = tiny_network(tmp_path)
        large = replace(tiny, name="large", on_request=True)
        manifest = Manifest("tiny", {"tiny": tiny, "large": large})
        assert main([], lambda: manifest, folder, lambda: load_settings({})) == 0
        assert read_catalogue(folder).networks.keys() == {"tiny"}
        assert main([], lambda: manifest, folder, lambda: load_settings({"SEGMENT_MODEL": "large"})) == 0
        assert read_catalogue(folder).networks.keys() == {"tiny", "large"}
        assert main([], lambda: manifest, folder, lambda: load_settings({"SEGMENT_MODEL": "larger"})) == 1
        assert capsys.readouterr().err.endswith("no network 'larger'; it has tiny, large\n")

    def test_what_it_takes_is_measured(self, folder: Path, tmp_path: Path) -> None:
        if not sys.platform.startswith(("linux", "darwin")):
            pytest.skip("the system does not tell a process its peak")
        assert self.run(tiny_network(tmp_path), folder) == 0
        cost = read_catalogue(folder).networks["tiny"].cost
        assert cost is not None
        assert 0 <= cost.seconds < 60  # of processor time
        assert 0 < cost.one_run_mb < 500
        assert 0 < cost.two_runs_mb < 500
