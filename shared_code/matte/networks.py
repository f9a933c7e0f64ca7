"""The matting networks: described in models/manifest.json, built by `make model`, loaded on first use."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from model_build.manifest import Network, blob_path, built_path, load_manifest
from shared_code.errors import ResourceNotFound, ServiceUnavailable
from shared_code.matte import inference
from shared_code.matte.network import OnnxNetwork

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

_LOAD_WAIT_S = 30


class ModelError(RuntimeError):
    """A network cannot be loaded: not built, altered, or not what the manifest says."""


class State(StrEnum):
    """Of the default network, as cog's health check names them."""

    STARTING = "STARTING"
    READY = "READY"
    SETUP_FAILED = "SETUP_FAILED"


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
