import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from model_build.prune import pruned
from tests.model_build.graphs import RANDOM, chain, graph_of, pointwise

WIDE = 40
PICTURE = RANDOM.normal(0.5, 1, (1, 3, 8, 8)).astype(np.float32)


def weak(first: int) -> NDArray[np.float32]:
    """Energies of WIDE channels, nothing in those from `first` on."""
    return np.array([1.0] * first + [0.0] * (WIDE - first), np.float32)


def even(channels: int) -> NDArray[np.float32]:
    """Energies of channels that all matter."""
    return np.ones(channels, np.float32)


def shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def run(model: ModelProto) -> NDArray[np.float32]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"x": PICTURE})
    return np.asarray(output, np.float32)


def silenced(weight: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """The same, but that the outputs from `first` on are 0."""
    weight[first:] = 0
    return weight


@pytest.mark.parametrize(("alive", "kept"), [(0, 16), (10, 16), (16, 16), (17, 32), (33, 40), (40, 40)])
def test_as_many_are_kept_as_a_processor_computes_together(alive: int, kept: int) -> None:
    model = chain(a=silenced(pointwise(WIDE, 3), alive), b=pointwise(5, WIDE))
    left = pruned(model, {"start": even(3), "a/relu": weak(alive), "b/relu": even(5)})
    assert shapes(left)["a/w"] == (kept, 3, 1, 1)
    assert shapes(left)["a/b"] == (kept,)
    assert shapes(left)["b/w"] == (5, kept, 1, 1)
    np.testing.assert_allclose(run(left), run(model), atol=1e-5)


def test_the_strongest_are_kept() -> None:
    energies = np.zeros(WIDE, np.float32)
    energies[[1, 39]] = 1, 2
    energies[7] = 1e-6
    model = chain(a=pointwise(WIDE, 3), b=pointwise(5, WIDE))
    left = pruned(model, {"start": even(3), "a/relu": energies, "b/relu": even(5)})
    first = {tensor.name: tensor for tensor in model.graph.initializer}["a/w"]
    found = {tensor.name: tensor for tensor in left.graph.initializer}["a/w"]
    every = numpy_helper.to_array(first)
    assert all((every[each] == numpy_helper.to_array(found)).all((1, 2, 3)).any() for each in (1, 7, 39))


def branched(last: str) -> ModelProto:
    """Two branches, one pooled and resized, come together in the node `last`, which is read and answered."""
    together = (last, ["one", "raised"], ["together"], "together")
    nodes = [
        helper.make_node("Conv", ["x", "wa", "ba"], ["a"], "a", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["a"], ["one"], "one"),
        helper.make_node("Conv", ["x", "wb", "bb"], ["b"], "b", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["b"], ["two"], "two"),
        helper.make_node("MaxPool", ["two"], ["half"], "half", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["half", "", "", "sizes"], ["raised"], "raised", mode="linear"),
        helper.make_node(*together, axis=1) if last == "Concat" else helper.make_node(*together),
        helper.make_node("Conv", ["together", "wc", "bc"], ["c"], "c", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["c"], ["end"], "end"),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "wa": silenced(pointwise(WIDE, 3), 12),
        "ba": np.zeros(WIDE, np.float32),
        "wb": silenced(pointwise(WIDE, 3), 20),
        "bb": np.zeros(WIDE, np.float32),
        "sizes": np.array([1, WIDE, 8, 8], np.int64),
        "wc": pointwise(4, 2 * WIDE if last == "Concat" else WIDE),
        "bc": np.zeros(4, np.float32),
    }
    return graph_of(nodes, "end", **constants)


ENERGIES = {"one": weak(12), "two": weak(20), "end": even(4)}


def test_joined_branches() -> None:
    model = branched("Concat")
    left = pruned(model, ENERGIES)
    assert [shapes(left)[name] for name in ("wa", "wb", "wc")] == [
        (16, 3, 1, 1),
        (32, 3, 1, 1),
        (4, 48, 1, 1),
    ]
    np.testing.assert_allclose(run(left), run(model), atol=1e-5)


def test_branches_that_are_added_keep_the_same() -> None:
    model = branched("Add")
    left = pruned(model, ENERGIES)
    assert [shapes(left)[name] for name in ("wa", "wb", "wc")] == [
        (32, 3, 1, 1),
        (32, 3, 1, 1),
        (4, 32, 1, 1),
    ]
    np.testing.assert_allclose(run(left), run(model), atol=1e-5)


def test_what_is_read_by_something_else_stays_whole() -> None:
    model = branched("Mul")
    assert shapes(pruned(model, ENERGIES)) == shapes(model)


def test_what_is_answered_stays_whole() -> None:
    model = chain(a=pointwise(WIDE, 3))
    left = pruned(model, {"start": even(3), "a/relu": weak(3)})
    assert shapes(left) == shapes(model)
