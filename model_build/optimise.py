"""The shipped form of a graph: what ONNX Runtime's optimizers make of it, once and for every processor."""

from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime as ort
from onnx import ModelProto

_LEFT_OUT = ("NchwcTransformer", "WeightBiasQuantization")
"""The first lays tensors out as this processor likes them; the second quantizes convolutions that are meant
to stay float."""


def optimised(model: ModelProto) -> bytes:
    """The content of an ONNX file that is to be loaded with all optimization off."""
    options = ort.SessionOptions()
    options.log_severity_level = 3  # it warns that the file may not suit another machine
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(
            model.SerializeToString(),
            options,
            ["CPUExecutionProvider"],
            disabled_optimizers=list(_LEFT_OUT),
        )
        return path.read_bytes()
