"""OpenVINO, as this project uses it: networks of ONNX on the processor, all that is not 8-bit in float32."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino


def compiled(model: bytes, threads: int, at_once: int = 1) -> "openvino.CompiledModel":
    """A network, the content of an ONNX file, ready to run on this processor.

    As many requests as `at_once` run side by side and share the `threads`.
    """
    core = _core()
    return core.compile_model(core.read_model(model), "CPU", _options(threads, at_once))


def imported(blob: bytes, threads: int, at_once: int = 1) -> "openvino.CompiledModel":
    """What `exported` wrote, several times quicker than compiling the network again.

    Raises RuntimeError if that was for another kind of processor or by another release of OpenVINO.
    """
    return _core().import_model(blob, "CPU", _options(threads, at_once))


def exported(network: "openvino.CompiledModel") -> bytes:
    """The compiled network, to be kept."""
    content: bytes = network.export_model().getvalue()
    return content


def _core() -> "openvino.Core":
    # OpenVINO's converter sends a usage report over the network when it is imported; such an import fails.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    import openvino  # 0.1 s, and only the thread that loads networks needs it

    return openvino.Core()


def _options(threads: int, at_once: int) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": at_once,
        "ENABLE_CPU_PINNING": False,  # the cores are shared with the decoding of other pictures
        "INFERENCE_PRECISION_HINT": "f32",  # else floats are rounded to what the processor likes
    }
