"""Networks whose masks are known, in place of the real ones."""

import asyncio
import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared_code.errors import ResourceNotFound
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore
from shared_code.progress import Progress
from tests.support.patience import PATIENCE_S


@dataclass
class FlatNetwork:
    """Finds the foreground in a rectangle of the picture, given in parts of its sides; keeps what it saw."""

    left: float = 0.25
    top: float = 0.25
    right: float = 0.75
    bottom: float = 0.75
    side: int = 64
    second_side: int | None = None
    umpire: "FlatNetwork | None" = None
    seen: list[NDArray[np.uint8]] = field(default_factory=list)

    def mask(self, rgb: NDArray[np.uint8], _progress: Progress | None = None) -> NDArray[np.uint8]:
        """255 in the rectangle, 0 around it."""
        self.seen.append(rgb)
        side = len(rgb)
        mask = np.zeros((side, side), np.uint8)
        rows = slice(round(self.top * side), round(self.bottom * side))
        mask[rows, round(self.left * side) : round(self.right * side)] = 255
        return mask


class GatedNetwork(FlatNetwork):
    """Finds the foreground when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()

    def mask(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.uint8]:
        self.started.release()
        assert self.gate.wait(PATIENCE_S)
        return super().mask(rgb, progress)

    async def has_started(self) -> None:
        await asyncio.to_thread(self.started.acquire, timeout=PATIENCE_S)


class OneNetwork(NetworkStore):
    """Holds a network that need not be loaded."""

    def __init__(self, network: FlatNetwork) -> None:
        super().__init__(read_catalogue(), "u2netp", kept=2, threads=1)
        self.network = network

    async def get(self, name: str | None) -> FlatNetwork:  # type: ignore[override]
        if name not in (None, "flat"):
            raise ResourceNotFound
        return self.network
