"""The matting networks of a process: loaded on first use, with retries; the latest ones are kept."""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Set
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum

from shared_code.errors import ResourceNotFound, ServiceUnavailable
from shared_code.matte.built import Catalogue, ModelError
from shared_code.matte.network import OnnxNetwork

log = logging.getLogger(__name__)

LOAD_WAIT_S = 30
RETRY_AFTER_S = (1, 2, 4, 8)
"""Pauses between attempts to load the default network; after the last pause there is one more."""
END_AFTER_S = 2
"""Pause after the last attempt, so that waiting calls are answered before the store gives up."""
REST_S = 10
"""After another network could not be loaded, no further attempt for so long."""


class State(StrEnum):
    """Of the default network, as cog's health check names them."""

    STARTING = "STARTING"
    READY = "READY"
    SETUP_FAILED = "SETUP_FAILED"


def load_network(catalogue: Catalogue, name: str, threads: int, runs: int | None = None) -> OnnxNetwork:
    """Read a built network, check its sha256 and open it; the same for its umpire, if it has one.

    The check cannot be turned off. Raises ModelError.
    """
    built = catalogue.networks[name]
    umpire = None if built.umpire is None else load_network(catalogue, built.umpire, threads, runs)
    return OnnxNetwork(built, catalogue.checked_path(name), threads, umpire, runs)


class NetworkStore:
    """Loads networks on first use, on a thread of its own, and keeps the default and a few others.

    Without the default network a process is useless: after several failed attempts waiting calls are refused,
    and then `given_up` is called, once and on its own thread; it may end the process. Other networks are
    tried once, and again when they are requested later. All methods must be called on one thread.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        default: str,
        kept: int,
        threads: int,
        given_up: Callable[[], None] = lambda: None,
        runs: int | None = None,
    ) -> None:
        """At most `kept` networks are held, each with so many `runs` at once. An empty `default` means the
        catalogue's.

        Raises ModelError when the catalogue has no such network.
        """
        self.default = default or catalogue.default
        if self.default not in catalogue.networks:
            raise ModelError(f"no network {self.default!r} is built, only {sorted(catalogue.networks)}")
        self._catalogue = catalogue
        self._kept = kept
        self._threads = threads
        self._given_up = given_up
        self._runs = runs
        self._loader = ThreadPoolExecutor(1, "model")
        self._networks: OrderedDict[str, Future[OnnxNetwork]] = OrderedDict()
        self._failed_at: dict[str, float] = {}

    @property
    def names(self) -> Set[str]:
        """All networks that can be requested."""
        return self._catalogue.networks.keys()

    @property
    def choices(self) -> list[str]:
        """What to offer a person: the default, and those that are not there to judge another's masks."""
        umpires = {network.umpire for network in self._catalogue.networks.values()}
        return [self.default, *sorted(self.names - umpires - {self.default})]

    def preload(self) -> None:
        """Begin to load the default network; returns at once."""
        self._loading(self.default)

    async def get(self, name: str | None) -> OnnxNetwork:
        """The network, loaded; None means the default. Raises ResourceNotFound or ServiceUnavailable."""
        name = name or self.default
        if name not in self._catalogue.networks:
            raise ResourceNotFound
        loading = self._loading(name)
        try:
            async with asyncio.timeout(LOAD_WAIT_S):
                return await asyncio.shield(asyncio.wrap_future(loading))
        except Exception as error:  # logged by the loader
            raise ServiceUnavailable from error

    @property
    def state(self) -> State:
        """State of the default network; STARTING until it is loaded or given up."""
        loading = self._networks.get(self.default)
        if loading is None or not loading.done():
            return State.STARTING
        return State.READY if loading.exception() is None else State.SETUP_FAILED

    @property
    def loaded(self) -> OnnxNetwork | None:
        """The default network, once it is loaded."""
        return self._networks[self.default].result() if self.state is State.READY else None

    def _loading(self, name: str) -> Future[OnnxNetwork]:
        if name not in self._networks or self._may_try_again(name):
            load = self._load_default if name == self.default else self._load
            self._networks[name] = self._loader.submit(load, name)
            self._drop_surplus()
        self._networks.move_to_end(name)
        return self._networks[name]

    def _may_try_again(self, name: str) -> bool:
        """Whether the network is another than the default, and failed some time ago."""
        loading = self._networks[name]
        failed = loading.done() and loading.exception() is not None
        return name != self.default and failed and time.monotonic() > self._failed_at[name] + REST_S

    def _drop_surplus(self) -> None:
        newest = next(reversed(self._networks))
        for name in list(self._networks):
            if len(self._networks) > self._kept and name not in (self.default, newest):
                del self._networks[name]

    def _load_default(self, name: str) -> OnnxNetwork:
        for pause in RETRY_AFTER_S:
            try:
                return self._load(name)
            except Exception:
                log.warning("network %s is tried again in %d s", name, pause)
                time.sleep(pause)
        try:
            return self._load(name)
        except Exception:
            log.critical("network %s cannot be loaded", name)
            end = threading.Timer(END_AFTER_S, self._given_up)
            end.daemon = True
            end.start()
            raise

    def _load(self, name: str) -> OnnxNetwork:
        begin = time.perf_counter()
        try:
            network = load_network(self._catalogue, name, self._threads, self._runs)
        except Exception:
            self._failed_at[name] = time.monotonic()
            log.exception("network %s not loaded", name)
            raise
        log.info("network %s loaded in %.0f ms", name, (time.perf_counter() - begin) * 1000)
        return network
