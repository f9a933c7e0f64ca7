"""The matting networks: described in models/manifest.json, built by `make model`, run by OpenVINO."""

import asyncio
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.manifest import Network, blob_path, built_path, load_manifest
from shared_code import inference
from shared_code.errors import ResourceNotFound, ServiceUnavailable

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

_LOAD_WAIT_S = 30

type Prepare = Callable[[int], openvino.CompiledModel]
"""Makes a network ready to answer so many requests at once."""


class ModelError(RuntimeError):
    """A network cannot be loaded: not built, altered, or not what the manifest says."""


class State(StrEnum):
    """Of the default network, as cog's health check names them."""

    STARTING = "STARTING"
    READY = "READY"
    SETUP_FAILED = "SETUP_FAILED"


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


def load_network(description: Network, threads: int) -> OnnxNetwork:
    """Read a built network, check its sha256 and open it. There is no way round the check.

    Raises ModelError.
    """
    path = built_path(description.name)
    sums = _checksums(path)

    def prepare(at_once: int) -> "openvino.CompiledModel":
        ready = _compiled_at_build(description, sums, threads, at_once)
        return ready or inference.compiled(_checked(path, sums), threads, at_once)

    return OnnxNetwork(description, sums[path.name], threads, prepare)


def load_compiled(description: Network, threads: int) -> "openvino.CompiledModel | None":
    """The network as the build compiled it; None when that was done elsewhere, or not at all.

    Raises ModelError.
    """
    return _compiled_at_build(description, _checksums(built_path(description.name)), threads, at_once=1)


def _compiled_at_build(
    description: Network, sums: Mapping[str, str], threads: int, at_once: int
) -> "openvino.CompiledModel | None":
    path = blob_path(description.name)
    if path.name not in sums or not path.exists():
        return None
    blob = _checked(path, sums)
    try:
        return inference.imported(blob, threads, at_once)
    except RuntimeError as error:
        log.info("%s is for another processor, the network is compiled anew: %s", path, error)
        return None


def _checksums(model: Path) -> dict[str, str]:
    """The sha256 of each built file of a network, by the file's name."""
    try:
        lines = model.with_name(model.name + ".sha256").read_text().splitlines()
        sums = {name: sha256 for sha256, name in map(str.split, lines)}
    except (OSError, ValueError) as error:
        raise ModelError(f"{model} has no sha256 beside it; `make model` builds it") from error
    if model.name not in sums:
        raise ModelError(f"{model} has no sha256 beside it; `make model` builds it")
    return sums


def _checked(path: Path, sums: Mapping[str, str]) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} is missing; `make model` builds it") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != sums[path.name]:
        raise ModelError(f"{path} has sha256 {sha256}, not {sums[path.name]}; build it again")
    return content


class NetworkStore:
    """Loads networks on first use, on a thread of its own, and keeps the default and a few others.

    At most `kept` networks are held; the default ("" means the manifest's) is never dropped.
    """

    def __init__(self, default: str, kept: int, threads: int) -> None:
        manifest = load_manifest()
        self.default = default or manifest.default
        self._descriptions = manifest.networks
        if self.default not in self._descriptions:
            raise ModelError(f"models/manifest.json describes no network {self.default!r}")
        self._kept = kept
        self._threads = threads
        self._loader = ThreadPoolExecutor(1, "model")
        self._networks: OrderedDict[str, Future[OnnxNetwork]] = OrderedDict()

    @property
    def names(self) -> Set[str]:
        """All networks that can be asked for."""
        return self._descriptions.keys()

    def preload(self) -> None:
        """Begin to load the default network; returns at once."""
        self._loading(self.default)

    async def get(self, name: str | None) -> OnnxNetwork:
        """The network, loaded; None means the default. Raises ResourceNotFound or ServiceUnavailable."""
        name = name or self.default
        if name not in self._descriptions:
            raise ResourceNotFound
        loading = self._loading(name)
        try:
            async with asyncio.timeout(_LOAD_WAIT_S):
                return await asyncio.shield(asyncio.wrap_future(loading))
        except Exception as error:  # logged by the loader
            if name != self.default and not isinstance(error, TimeoutError):
                self._networks.pop(name, None)
            raise ServiceUnavailable from error

    @property
    def state(self) -> State:
        """Of the default network."""
        loading = self._networks.get(self.default)
        if loading is None or not loading.done():
            return State.STARTING
        return State.READY if loading.exception() is None else State.SETUP_FAILED

    @property
    def sha256(self) -> str | None:
        """Of the default network's file, once it is loaded."""
        return self._networks[self.default].result().sha256 if self.state is State.READY else None

    def _loading(self, name: str) -> Future[OnnxNetwork]:
        if name not in self._networks:
            self._networks[name] = self._loader.submit(self._load, name)
            self._drop_surplus()
        self._networks.move_to_end(name)
        return self._networks[name]

    def _drop_surplus(self) -> None:
        newest = next(reversed(self._networks))
        for name in list(self._networks):
            if len(self._networks) > self._kept and name not in (self.default, newest):
                del self._networks[name]

    def _load(self, name: str) -> OnnxNetwork:
        begin = time.perf_counter()
        try:
            network = load_network(self._descriptions[name], self._threads)
        except Exception:
            log.exception("network %s not loaded", name)
            raise
        log.info("network %s loaded in %.0f ms", name, (time.perf_counter() - begin) * 1000)
        return network
