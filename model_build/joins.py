"""Tensors that are enlarged and then concatenated, quantized once: with the scale of the concatenation.

The quantizer gives an enlarged tensor the scale that it had before, and the concatenation quantizes it again,
with another. Enlarging is done in float anyway. Quantized once, the masks are a little closer to those of the
float network, and concatenating is a copy.
"""

from collections import defaultdict
from copy import deepcopy

from onnx import ModelProto, NodeProto

_READERS = ("QuantizeLinear", "DequantizeLinear", "Concat", "QuantizeLinear")


def with_levels_of_joins(int8: ModelProto) -> ModelProto:
    """The quantized graph, in which an output of Resize that only a Concat reads has the Concat's scale."""
    result = deepcopy(int8)
    readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
    for node in result.graph.node:
        for name in node.input:
            readers[name].append(node)
    for resize in (node for node in result.graph.node if node.op_type == "Resize"):
        chain = [resize]
        for operator in _READERS:
            found = readers[chain[-1].output[0]]
            if [node.op_type for node in found] != [operator]:
                break
            chain += found
        else:
            _, quantize, dequantize, _, joined = chain
            for node in (quantize, dequantize):
                node.input[1:] = joined.input[1:]
    return result
