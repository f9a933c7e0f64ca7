"""Makes a network take and return uint8 pictures: the normalisation becomes part of the graph."""

from copy import deepcopy

import numpy as np
from onnx import ModelProto, TensorProto, helper

from model_build.manifest import Input, Network, Output
from model_build.nodes import IMAGE, MASK, Nodes, surround

TINY = 1e-6
"""Prevents a division by zero, for a black picture or a mask of one value."""


def with_uint8_ends(model: ModelProto, network: Network) -> ModelProto:
    """The graph with uint8 pictures for input and output.

    Input: uint8 RGB (1, side, side, 3), 0..255.
    Output: uint8 (1, side, side), 0 background .. 255 foreground.
    Height and width are variable where there is a second side.
    """
    result, side = deepcopy(model), network.input.side_px
    sides = [side, side] if network.input.second_side_px is None else ["height", "width"]
    surround(
        result.graph,
        _normalising_nodes(network.input, model.graph.input[0].name),
        helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, [1, *sides, 3]),
        _mask_nodes(network.output, model.graph.output[0].name),
        helper.make_tensor_value_info(MASK, TensorProto.UINT8, [1, *sides]),
    )
    return result


def _normalising_nodes(described: Input, output: str) -> Nodes:
    """uint8 (1, side, side, 3) -> the network's float32 input (1, 3, side, side), called `output`."""
    nodes = Nodes("normalise")
    # Planes first: ONNX Runtime takes several times longer to repeat three values along the last axis.
    planes = nodes.add("Transpose", IMAGE, perm=[0, 3, 1, 2])
    pixels = nodes.add("Cast", planes, to=TensorProto.FLOAT)
    if described.divide_by == "maximum":
        divisor = nodes.add("Max", nodes.add("ReduceMax", pixels, keepdims=1), nodes.floats(TINY))
    else:
        divisor = nodes.floats(described.divide_by)
    scaled = nodes.add("Div", pixels, divisor)
    mean, std = (np.array(three, np.float32).reshape(3, 1, 1) for three in (described.mean, described.std))
    centred = nodes.add("Sub", scaled, nodes.constant(mean))
    nodes.add("Div", centred, nodes.constant(std), output=output)
    return nodes


def _mask_nodes(described: Output, value: str) -> Nodes:
    """The network's float32 output `value`, one for each pixel -> uint8 (1, side, side)."""
    nodes = Nodes("levels")
    match described.values:
        case "relative":
            least = nodes.add("ReduceMin", value, keepdims=1)
            span = nodes.add("Sub", nodes.add("ReduceMax", value, keepdims=1), least)
            raised = nodes.add("Sub", value, least)
            value = nodes.add("Div", raised, nodes.add("Max", span, nodes.floats(TINY)))
        case "logit":
            value = nodes.add("Sigmoid", value)
        case "probability":
            value = nodes.add("Min", nodes.add("Max", value, nodes.floats(0)), nodes.floats(1))
    levels = nodes.add("Round", nodes.add("Mul", value, nodes.floats(255)))
    plane = nodes.add("Reshape", levels, nodes.add("Shape", IMAGE, start=0, end=3))
    nodes.add("Cast", plane, to=TensorProto.UINT8, output=MASK)
    return nodes
