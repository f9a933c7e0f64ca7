"""Two callers of one instance: a greedy one with many open calls, and a polite one with one at a time."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from tests.support import loopback
from tests.support.patience import PATIENCE_S

GREEDY_CALLS = 50
KEYS = {"greedy": "key-of-the-greedy-one", "polite": "key-of-the-polite-one"}
SETTINGS = {"SEGMENT_API_KEYS": ",".join(f"{name}={key}" for name, key in KEYS.items())}
_PATH = "/computervision/imageanalysis:segment"
_QUERY = {"api-version": "2023-02-01-preview", "mode": "backgroundRemoval"}


@dataclass(frozen=True)
class Reply:
    """What one call came to."""

    status: int
    seconds: float


def call(client: httpx.Client, caller: str, picture: bytes) -> Reply:
    """Send a picture as this caller, and read the whole answer."""
    headers = {"Content-Type": "application/octet-stream", "Ocp-Apim-Subscription-Key": KEYS[caller]}
    begin = time.perf_counter()
    answer = client.post(_PATH, params=_QUERY, content=picture, headers=headers)
    return Reply(answer.status_code, time.perf_counter() - begin)


def one_after_the_other(url: str, picture: bytes, count: int) -> list[Reply]:
    """The polite one, alone."""
    with loopback.client(url) as client:
        return [call(client, "polite", picture) for _ in range(count)]


def polite_beside_greedy(
    url: str, picture: bytes, count: int, large: bytes
) -> tuple[list[Reply], Counter[int]]:
    """The replies to the polite one, and the statuses that the greedy one gets for large pictures meanwhile.

    The greedy one sends again at once, whatever he is answered.
    """
    over, busy = threading.Event(), threading.Event()
    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(GREEDY_CALLS) as threads, loopback.client(url) as client:

        def go_on() -> None:
            while not over.is_set():
                status = call(client, "greedy", large).status
                statuses[status] += 1
                if status == 429:
                    busy.set()

        calls = [threads.submit(go_on) for _ in range(GREEDY_CALLS)]
        try:
            busy.wait(PATIENCE_S)
            replies = one_after_the_other(url, picture, count)
        finally:
            over.set()
        for each in calls:
            each.result()
    return replies, statuses


def slowest(replies: Sequence[Reply]) -> float:
    """Seconds."""
    return max(reply.seconds for reply in replies)
