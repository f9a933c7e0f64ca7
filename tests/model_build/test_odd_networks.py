"""Networks as they are published: built and run as the service runs them, or refused in one sentence."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from model_build.errors import BuildError
from model_build.fetch import file_sha256
from model_build.fidelity import Yardstick
from model_build.forms import FLOAT_MAX_MAE
from model_build.manifest import FileSource, Input, Licence, Network, Output, Quantization
from tests.model_build.usual import usual_model

SIDE = 64
QUANTIZED_MAX_MAE = 0.03
RANDOM = np.random.default_rng(11)
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def weight(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(0, 0.3, shape).astype(np.float32)


def network(
    path: Path, quantized: bool = False, input_name: str | None = None, output_name: str | None = None
) -> Network:
    """The file, with nothing described that its tensors can tell."""
    return Network(
        name="odd",
        source=FileSource(str(path)),
        weights_sha256=file_sha256(path),
        licence=Licence("MIT", "MIT"),
        training_data="none",
        input=Input(SIDE, 255.0, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), name=input_name),
        output=Output("logit", output_name),
        quantization=Quantization((), QUANTIZED_MAX_MAE) if quantized else None,
    )


def graph(
    *nodes: NodeProto,
    opset: int = 19,
    picture: tuple[str, int, list[int | str] | None] = ("x", FLOAT, [1, 3, SIDE, SIDE]),
    outputs: dict[str, int] | None = None,
    constants: dict[str, NDArray[Any]] | None = None,
    more_inputs: dict[str, list[int]] | None = None,
) -> ModelProto:
    name, kind, shape = picture
    inputs = [helper.make_tensor_value_info(name, kind, shape)]
    inputs += [helper.make_tensor_value_info(n, FLOAT, s) for n, s in (more_inputs or {}).items()]
    made = [helper.make_tensor_value_info(n, k, None) for n, k in (outputs or {"y": FLOAT}).items()]
    tensors = [numpy_helper.from_array(value, n) for n, value in (constants or {}).items()]
    body = helper.make_graph(nodes, "odd", inputs, made, tensors)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def conv(source: str, output: str, *weights: str, **attributes: list[int]) -> NodeProto:
    node = helper.make_node("Conv", [source, *weights], [output], pads=[1, 1, 1, 1])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return node


BODY: dict[str, NDArray[Any]] = {
    "w1": weight(8, 3, 3, 3),
    "b1": weight(8),
    "w2": weight(1, 8, 3, 3),
    "b2": weight(1),
}


def body(source: str = "x", output: str = "y", **last: list[int]) -> list[NodeProto]:
    """Two convolutions, none of them with a name."""
    return [
        conv(source, "c1", "w1", "b1"),
        helper.make_node("Relu", ["c1"], ["r1"]),
        conv("r1", output, "w2", "b2", **last),
    ]


def half_precision() -> ModelProto:
    constants = {name: value.astype(np.float16) for name, value in BODY.items()}
    return graph(
        *body(), picture=("x", HALF, ["n", 3, "h", "w"]), outputs={"y": HALF}, constants=dict(constants)
    )


def channels_last() -> ModelProto:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        *body("t", "m"),
        helper.make_node("Transpose", ["m"], ["y"], perm=[0, 2, 3, 1]),
    ]
    return graph(*nodes, picture=("x", FLOAT, [1, SIDE, SIDE, 3]), constants=dict(BODY))


def half_size() -> ModelProto:
    return graph(*body(strides=[2, 2]), constants=dict(BODY))


def names_of_the_ends() -> ModelProto:
    nodes = [*body("image", "m"), helper.make_node("Identity", ["m"], ["mask"])]
    return graph(
        *nodes, picture=("image", FLOAT, [1, 3, SIDE, SIDE]), outputs={"mask": FLOAT}, constants=dict(BODY)
    )


def several_outputs() -> ModelProto:
    nodes = [*body(), conv("r1", "side", "w2", "b2"), helper.make_node("Shape", ["side"], ["size"])]
    return graph(*nodes, outputs={"y": FLOAT, "side": FLOAT, "size": TensorProto.INT64}, constants=dict(BODY))


def one_dimension() -> ModelProto:
    rows = helper.make_node("Reshape", ["r1", "rows"], ["flat"])
    line = helper.make_node("Conv", ["flat", "line", "b1"], ["l"], pads=[1, 1], kernel_shape=[3])
    back = helper.make_node("Reshape", ["l", "planes"], ["r2"])
    constants: dict[str, NDArray[Any]] = {
        "rows": np.array([1, 8, -1], np.int64),
        "planes": np.array([1, 8, SIDE, SIDE], np.int64),
        "line": weight(8, 8, 3),
    }
    first, relu, last = body()
    last.input[0] = "r2"
    return graph(first, relu, rows, line, back, last, constants=BODY | constants)


def split_of_18() -> ModelProto:
    nodes = [
        conv("x", "c1", "w1", "b1"),
        helper.make_node("Split", ["c1"], ["s1", "s2"], axis=1, num_outputs=2),
        helper.make_node("Concat", ["s2", "s1"], ["r1"], axis=1),
        helper.make_node("ReduceMean", ["r1", "channels"], ["average"], keepdims=1),
        helper.make_node("Add", ["r1", "average"], ["sum"]),
        conv("sum", "y", "w2", "b2"),
    ]
    constants = {"channels": np.array([2, 3], np.int64)}
    return graph(*nodes, opset=18, constants=BODY | constants)


def gelu_of_20() -> ModelProto:
    first, relu, last = body()
    relu.op_type = "Gelu"
    return graph(first, relu, last, opset=20, constants=dict(BODY))


def newest() -> ModelProto:
    return graph(*body(), opset=23, constants=dict(BODY))


def condition_inside() -> ModelProto:
    """Each branch reads a tensor of the graph around it."""

    def branch(op_type: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(op_type, FLOAT, None)
        return helper.make_graph([helper.make_node(op_type, ["c1"], [op_type])], op_type, [], [out])

    choose = helper.make_node(
        "If", ["yes"], ["r1"], then_branch=branch("Relu"), else_branch=branch("Sigmoid")
    )
    first, _, last = body()
    return graph(first, choose, last, constants=BODY | {"yes": np.array(True)})


def opset_11() -> ModelProto:
    raised = helper.make_node("Resize", ["h", "", "twice"], ["y"], mode="linear")
    constants = {"twice": np.array([1, 1, 2, 2], np.float32)}
    return graph(*body(output="h", strides=[2, 2]), raised, opset=11, constants=BODY | constants)


ODD: list[Callable[[], ModelProto]] = [
    half_precision,
    channels_last,
    half_size,
    names_of_the_ends,
    several_outputs,
    one_dimension,
    split_of_18,
    gelu_of_20,
    newest,
    condition_inside,
    opset_11,
]


@pytest.mark.parametrize(
    "quantized", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["float", "int8"]
)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_built_and_true_to_what_was_published(
    odd: Callable[[], ModelProto], quantized: bool, tmp_path: Path
) -> None:
    path = tmp_path / "odd.onnx"
    onnx.save(odd(), path)
    described = network(path, quantized)
    model = usual_model(described, path, lambda _: None)
    assert Yardstick(described, path).differences(model)[SIDE] <= (
        QUANTIZED_MAX_MAE if quantized else FLOAT_MAX_MAE
    )
    if quantized and odd is not condition_inside:
        operators = [node.op_type for node in onnx.load_from_string(model).graph.node]
        assert "QLinearConv" in operators


def test_external_data(tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    onnx.save(
        graph(*body(), constants=dict(BODY)),
        path,
        save_as_external_data=True,
        location="odd.data",
        size_threshold=0,
    )
    described = network(path)
    with pytest.raises(
        BuildError, match=r"weights are in odd\.data, whose sha256 must stand in external_data"
    ):
        usual_model(described, path, lambda _: None)
    described = replace(described, external_data={"odd.data": file_sha256(tmp_path / "odd.data")})
    model = usual_model(described, path, lambda _: None)
    assert Yardstick(described, path).differences(model)[SIDE] <= FLOAT_MAX_MAE


def two_channels() -> ModelProto:
    constants = BODY | {"w2": weight(2, 8, 3, 3), "b2": weight(2)}
    return graph(*body(), constants=constants)


def classes() -> ModelProto:
    nodes = [*body(output="m"), helper.make_node("ArgMax", ["m"], ["y"], axis=1)]
    return graph(*nodes, outputs={"y": TensorProto.INT64}, constants=dict(BODY))


def two_inputs(needed: bool) -> ModelProto:
    last = helper.make_node("Add", ["m", "trimap"] if needed else ["m", "m"], ["y"])
    return graph(*body(output="m"), last, constants=dict(BODY), more_inputs={"trimap": [1, 1, SIDE, SIDE]})


def nothing_of_the_picture() -> ModelProto:
    nodes = [*body(output="m"), helper.make_node("Relu", ["plane"], ["y"])]
    return graph(*nodes, constants=BODY | {"plane": weight(1, 1, SIDE, SIDE)})


def other_side_inside() -> ModelProto:
    nodes = [*body(output="m"), helper.make_node("Add", ["m", "plane"], ["y"])]
    return graph(*nodes, constants=BODY | {"plane": weight(1, 1, 2 * SIDE, 2 * SIDE)})


def of_another_maker() -> ModelProto:
    model = graph(
        *body(output="m"),
        helper.make_node("Matting", ["m"], ["y"], domain="com.example"),
        constants=dict(BODY),
    )
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


REFUSED: list[tuple[str, ModelProto | bytes, dict[str, str], str]] = [
    ("two channels", two_channels(), {}, "the output y is 1 x 2 x 64 x 64; a mask of one channel"),
    ("classes", classes(), {}, "the output y is of int64, and not of floats"),
    (
        "gray",
        graph(*body(), picture=("x", FLOAT, [1, 1, 64, 64]), constants=dict(BODY)),
        {},
        r"%x\[FLOAT, 1x1x64x64\]; float 1 x 3",
    ),
    (
        "bytes",
        graph(*body(), picture=("x", 2, [1, 3, 64, 64]), constants=dict(BODY)),
        {},
        r"%x\[UINT8, 1x3x64x64\]; float 1 x 3",
    ),
    ("two inputs", two_inputs(False), {}, "the file has the inputs x, trimap; input.name must say which"),
    ("trimap", two_inputs(True), {"input_name": "x"}, "the file wants trimap beside the picture"),
    ("no input", half_size(), {"input_name": "a"}, "the file has the inputs x, not a"),
    ("no output", several_outputs(), {"output_name": "a"}, "the file has the outputs y, side, size, not a"),
    ("no picture", nothing_of_the_picture(), {}, "the output y does not follow from x"),
    ("another side", other_side_inside(), {}, "odd does not run at 64 pixels: "),
    ("another maker", of_another_maker(), {}, r"Matting"),
    ("a later opset", graph(*body(), opset=99, constants=dict(BODY)), {}, "ONNX Runtime only"),
    ("empty", b"", {}, "the file has the inputs none"),
    ("text", b"<html>Not found</html>", {}, "odd: "),
]


@pytest.mark.parametrize(("model", "names", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_in_one_sentence(
    model: ModelProto | bytes, names: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(BuildError) as caught:
        usual_model(
            network(path, False, names.get("input_name"), names.get("output_name")), path, lambda _: None
        )
    said = str(caught.value)
    assert re.search(message, said), said
    assert "\n" not in said
    assert len(said) < 400
    assert ".cc" not in said
