"""A loaded matting network, for one picture or for several at once."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_build.manifest import Network

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

type Prepare = Callable[[int], openvino.CompiledModel]
"""Makes a network ready to answer so many requests at once."""


class OnnxNetwork:
    """A loaded network. `mask` may be called from several threads.

    A picture that comes alone gets all threads. Those that come while another is under way get one each: no
    thread then waits for the other's half of a layer, and more pictures are done in the same time. That takes
    a second copy, made beside the work when pictures first meet; until it is there they take turns.
    """

    def __init__(self, description: Network, sha256: str, threads: int, prepare: Prepare) -> None:
        """`sha256`: of its ONNX file. `prepare` is called once, and again when pictures first meet."""
        self.name = description.name
        self.side = description.input.side_px
        self.sha256 = sha256
        self._threads = threads
        self._prepare = prepare
        self._alone = prepare(1).create_infer_request()
        self._alone_turn = threading.Lock()
        self._beside: Future[SimpleQueue[openvino.InferRequest]] | None = None
        self._under_way = 0
        self._counting = threading.Lock()
        # More at once would share the same cores, and each needs memory of its own for activations.
        self._turn = threading.BoundedSemaphore(threads)

    def mask(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 RGB (side, side, 3), 0..255 -> uint8 (side, side), 0 background .. 255 foreground."""
        with self._turn:
            with self._counting:
                beside = self._beside_another() if self._under_way else None
                self._under_way += 1
            try:
                mask = self._infer(rgb, beside)
            finally:
                with self._counting:
                    self._under_way -= 1
        return mask.reshape(self.side, self.side)

    def _beside_another(self) -> "SimpleQueue[openvino.InferRequest] | None":
        """Requests of one thread each; None while they are made, or when they cannot be."""
        if self._beside is None:
            maker = ThreadPoolExecutor(1, "second-network")
            self._beside = maker.submit(self._several)
            maker.shutdown(wait=False)
        return self._beside.result() if self._beside.done() and self._beside.exception() is None else None

    def _several(self) -> "SimpleQueue[openvino.InferRequest]":
        try:
            network = self._prepare(self._threads)
        except Exception:
            log.exception("pictures will take turns in network %s", self.name)
            raise
        requests: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(self._threads):
            requests.put(network.create_infer_request())
        return requests

    def _infer(
        self, rgb: NDArray[np.uint8], beside: "SimpleQueue[openvino.InferRequest] | None"
    ) -> NDArray[np.uint8]:
        if beside is None:
            with self._alone_turn:
                return _infer(self._alone, rgb)
        request = beside.get()
        try:
            return _infer(request, rgb)
        finally:
            beside.put(request)


def _infer(request: "openvino.InferRequest", rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    (mask,) = request.infer([rgb[np.newaxis]]).values()
    return np.asarray(mask, np.uint8)
