"""A loaded matting network. The only module of the service that knows ONNX Runtime."""

import threading
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared_code.matte.built import BuiltNetwork
from shared_code.progress import Progress

_ARENA_GROWS_BY_WHAT_IS_ASKED = 1
_SHRINKS_THE_ARENA = ("memory.enable_memory_arena_shrinkage", "cpu:0")
_POLL_S = 0.02
"""How often a picture that waits for its run checks whether its caller is still there."""

_loading = threading.Lock()


class OnnxNetwork:
    """A loaded network. `mask` may be called from several threads.

    `side` is the width and height of its input, `second_side` another possible one, or None. `umpire` is the
    network that decides if its masks at both sides differ, or None.
    """

    def __init__(
        self,
        built: BuiltNetwork,
        model: Path | bytes,
        threads: int,
        umpire: "OnnxNetwork | None" = None,
        runs: int | None = None,
    ) -> None:
        """`model`: the ONNX file, optimised when it was built; bytes stay in memory beside the session.
        `runs`: how many at once; as many as threads, unless there is memory for fewer."""
        import onnxruntime as ort  # takes 0.1 s, and only the thread that loads networks needs it

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
        self._turn = threading.BoundedSemaphore(runs or threads)

    def mask(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.uint8]:
        """uint8 RGB (side, side, 3), 0..255 -> uint8 (side, side), 0 background .. 255 foreground.

        `side` is this network's `side` or `second_side`. Raises Abandoned when `progress` is, as soon as the
        node of the graph that is being computed is done.
        """
        import onnxruntime as ort

        progress, run = progress or Progress(), ort.RunOptions()
        progress.on_abandon(lambda: setattr(run, "terminate", True))
        while not self._turn.acquire(timeout=_POLL_S):
            progress.check()
        try:
            (masks,) = self._session.run(None, {self._input: rgb[np.newaxis]}, run)
        except Exception:
            progress.check()
            raise
        finally:
            self._turn.release()
        mask: NDArray[np.uint8] = masks[0]
        return mask

    def give_back_memory(self) -> None:
        """Free the unused memory of the networks' arena, by a run on a black picture."""
        import onnxruntime as ort

        side = self.second_side or self.side
        shrinking = ort.RunOptions()
        shrinking.add_run_config_entry(*_SHRINKS_THE_ARENA)
        with self._turn:
            self._session.run(None, {self._input: np.zeros((1, side, side, 3), np.uint8)}, shrinking)


@cache
def _make_arena() -> None:
    """One for the activations of all networks. It keeps what they have used until it is told to shrink.

    Without it each run requests 100 MB from the system, page by page, and takes a third longer. An arena that
    grew in powers of two would waste more memory than the gaps between its blocks do.
    """
    import onnxruntime as ort

    ort.create_and_register_allocator(
        ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT),
        ort.OrtArenaCfg({"arena_extend_strategy": _ARENA_GROWS_BY_WHAT_IS_ASKED}),
    )
