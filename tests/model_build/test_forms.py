"""Networks with outliers, which 256 levels cannot hold beside all else: what is tried, said and shipped."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model_build import forms
from model_build.errors import BuildError
from model_build.fetch import file_sha256
from model_build.fidelity import Yardstick
from model_build.forms import FLOAT, Form, Workshop, best_form, fastest_of
from model_build.manifest import FileSource, Input, Licence, Network, Output, Quantization
from model_build.quantize import INT8
from shared_code.matte.built import BuiltNetwork, Cost

SIDE, CHANNELS, LAYERS = 64, 8, 4
LARGE = 2000.0
MAX_MAE = 0.02


def network(folder: Path, quantized: bool = True, /, **large: int) -> Network:
    """Four layers; `everywhere`: the one whose first channel is much larger than all others, and
    `in_corners`: the one whose first channel is so at the corners alone, where padding shows.
    """
    random = np.random.default_rng(5)
    constants: dict[str, NDArray[np.float32]] = {}
    nodes, value, inputs = [], "pixels", 3
    for layer in range(LAYERS):
        weight = random.normal(0, (9 * inputs) ** -0.5, (CHANNELS, inputs, 3, 3)).astype(np.float32)
        bias = random.normal(0.2, 0.1, CHANNELS).astype(np.float32)
        if layer == large.get("everywhere"):
            weight[0] = np.abs(weight[0]) * LARGE
        if layer == large.get("in_corners"):
            weight[0], bias[0] = 0, 5 * LARGE
            weight[0, 1] = -LARGE  # 9 times the 1 of before, 6 times at an edge, 4 times in a corner
        if layer + 1 == large.get("in_corners"):
            weight[1], bias[1] = 0, 1
        if layer - 1 == large.get("everywhere"):
            weight[:, 0] /= LARGE
        if layer - 1 == large.get("in_corners"):
            weight[:, 0] = 0
        constants |= {f"w{layer}": weight, f"b{layer}": bias}
        conv = helper.make_node(
            "Conv", [value, f"w{layer}", f"b{layer}"], [f"c{layer}"], f"layer-{layer}", pads=[1, 1, 1, 1]
        )
        nodes += [conv, helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"])]
        value, inputs = f"r{layer}", CHANNELS
    plane = random.normal(0, 0.7, (1, CHANNELS, 3, 3)).astype(np.float32)
    if large.get("everywhere") == LAYERS - 1:
        plane[:, 0] /= LARGE
    constants |= {"wp": plane, "bp": np.zeros(1, np.float32)}
    nodes.append(helper.make_node("Conv", [value, "wp", "bp"], ["mask"], "plane", pads=[1, 1, 1, 1]))
    picture = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(each, name) for name, each in constants.items()]
    graph = helper.make_graph(nodes, "outliers", [picture], [mask], tensors)
    path = folder / "outliers.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return Network(
        name="outliers",
        source=FileSource(str(path)),
        weights_sha256=file_sha256(path),
        licence=Licence("MIT", "MIT"),
        training_data="none",
        input=Input(SIDE, 255.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        output=Output("logit"),
        quantization=Quantization((), MAX_MAE) if quantized else None,
    )


WIDE, DECODER, MOST, NEARLY_ALL = (
    "int8 with activations of 16 bits",
    "int8, float from layer-3 on",
    "int8 with levels for 99.9 % of the values",
    "int8 with levels for 99.99 % of the values",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("large", "holding"),
    [
        ({}, {"int8", WIDE, DECODER, MOST, NEARLY_ALL}),
        ({"in_corners": 3}, {WIDE, DECODER, MOST}),
        ({"everywhere": 3}, {WIDE, DECODER}),
        ({"everywhere": 0}, {WIDE}),
    ],
)
def test_what_helps(large: dict[str, int], holding: set[str], tmp_path: Path) -> None:
    described = network(tmp_path, **large)
    weights = tmp_path / "outliers.onnx"
    workshop, yardstick = Workshop(described, weights, tmp_path, no_step), Yardstick(described, weights)
    recipes = [INT8, *workshop.other_recipes()]
    found = {recipe.name: yardstick.differences(workshop.model(recipe))[SIDE] for recipe in recipes}
    assert {name for name, mae in found.items() if mae <= MAX_MAE} == holding
    assert yardstick.differences(workshop.model(FLOAT))[SIDE] < 0.002


def no_step(what: str) -> None:
    """Nobody watches."""


@pytest.mark.slow
def test_each_form_is_compared_measured_and_said(tmp_path: Path) -> None:
    described, said = network(tmp_path, everywhere=3), list[str]()
    best = best_form(described, tmp_path / "outliers.onnx", said.append)
    assert best.holds
    assert best.name in {FLOAT.name, WIDE, DECODER}
    assert best.differences[SIDE] <= MAX_MAE
    for name in ("int8", FLOAT.name, WIDE, DECODER, NEARLY_ALL, MOST):
        (line,) = [line for line in said if line.startswith(f"{name}: differs by ") and ";" in line]
        assert "at 64 pixels" in line
        if best.built.cost is not None:
            assert "s on one core" in line
            assert "MB" in line
    assert said[-1] == f"shipped as {best.name}: nothing faster differs by at most {MAX_MAE}"


@pytest.mark.slow
def test_int8_that_holds_is_shipped_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "measured", lambda *_: None)
    said: list[str] = []
    assert best_form(network(tmp_path), tmp_path / "outliers.onnx", said.append).name == "int8"
    assert [line for line in said if "differs by" in line] == said[-1:]


@pytest.mark.parametrize(
    ("seconds", "fastest"),
    [((3, 1, 2), "decoder"), ((1, 1.5, 2), "float32")],
)
def test_the_fastest_that_holds(seconds: tuple[float, float, float], fastest: str) -> None:
    tried = []
    for name, takes, mae in zip(
        ("float32", "decoder", "wide", "int8"), (*seconds, 0.1), (0.01, 0.01, 0.01, 0.5), strict=True
    ):
        built = BuiltNetwork(name, "", "", SIDE, None, None, Cost(100, 100, takes))
        tried.append(Form(name, b"", built, {SIDE: mae}, MAX_MAE))
    assert fastest_of(tried).name == fastest


def test_not_even_float32_is_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "FLOAT_MAX_MAE", 0)
    monkeypatch.setattr(forms, "measured", lambda *_: None)
    with pytest.raises(BuildError, match="at 64 pixels, and 0 is allowed"):
        best_form(network(tmp_path, False), tmp_path / "outliers.onnx", no_step)
