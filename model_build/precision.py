"""Half precision to single: ONNX Runtime computes it in float32 on a processor anyway, with casts between."""

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, TypeProto, numpy_helper

from model_build.onnx_file import graphs

_HALF = {TensorProto.FLOAT16, TensorProto.BFLOAT16}
_TYPE_ATTRIBUTES = {"to", "dtype", "output_dtype"}


def single_precision(model: ModelProto) -> None:
    """Make every tensor of half precision float32, in place."""
    for graph in graphs(model.graph):
        _make_single(graph)


def _make_single(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        _tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _type(value.type)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _tensor(attribute.t)
            elif attribute.name in _TYPE_ATTRIBUTES and attribute.i in _HALF:
                attribute.i = TensorProto.FLOAT


def _tensor(tensor: TensorProto) -> None:
    if tensor.data_type in _HALF:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _type(kind: TypeProto) -> None:
    if kind.tensor_type.elem_type in _HALF:
        kind.tensor_type.elem_type = TensorProto.FLOAT
