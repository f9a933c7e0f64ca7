"""A loaded matting network. The only module of the service that knows ONNX Runtime."""

import threading
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared_code.matte.built import BuiltNetwork

_ARENA_GROWS_BY_WHAT_IS_ASKED = 1
_SHRINKS_THE_ARENA = ("memory.enable_memory_arena_shrinkage", "cpu:0")

_loading = threading.Lock()


class OnnxNetwork:
    """A loaded network. `mask` may be called from several threads.

    `side` is the width and height that it should see first, `second_side` another that it can see, or None.
    `umpire` is the network to ask where its masks at both sides differ, or None.
    """

    def __init__(
        self, built: BuiltNetwork, model: Path | bytes, threads: int, umpire: "OnnxNetwork | None" = None
    ) -> None:
        """`model`: the ONNX file, optimised when it was built; as bytes it stays in memory beside what it
        becomes."""
        import onnxruntime as ort  # 0.1 s, and only the thread that loads networks needs it

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False
        with _loading:
            _make_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
        # The cores are shared with the decoding and encoding of other pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.name = built.name
        self.sha256 = built.sha256
        self.side = built.side_px
        self.second_side = built.second_side_px
        self.umpire = umpire
        self._session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        # More at once would share the same cores, and each needs memory of its own for activations.
        self._turn = threading.BoundedSemaphore(threads)

    def mask(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 RGB (side, side, 3), 0..255 -> uint8 (side, side), 0 background .. 255 foreground.

        `side` is this network's `side` or `second_side`.
        """
        with self._turn:
            (masks,) = self._session.run(None, {self._input: rgb[np.newaxis]})
        mask: NDArray[np.uint8] = masks[0]
        return mask

    def give_back_memory(self) -> None:
        """Free what no network of the process uses of their arena. It runs on a black picture."""
        import onnxruntime as ort

        side = self.second_side or self.side
        shrinking = ort.RunOptions()
        shrinking.add_run_config_entry(*_SHRINKS_THE_ARENA)
        with self._turn:
            self._session.run(None, {self._input: np.zeros((1, side, side, 3), np.uint8)}, shrinking)


@cache
def _make_arena() -> None:
    """One for the activations of all networks. It keeps what they have used until it is told to shrink.

    Without it each run asks the system for 100 MB, page by page, and takes a third longer. One that grew in
    powers of two would be larger than what is lost so between its blocks.
    """
    import onnxruntime as ort

    ort.create_and_register_allocator(
        ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT),
        ort.OrtArenaCfg({"arena_extend_strategy": _ARENA_GROWS_BY_WHAT_IS_ASKED}),
    )
