"""A thread pool that several sequences of jobs share fairly."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

_OF_THEIR_OWN = object()


class RoundRobinExecutor:
    """Threads that take one job of each line in turn: a long line does not delay a short one."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, name)
        self._lines: dict[Hashable, deque[Callable[[], None]]] = {}  # the next to be served first
        self._lock = threading.Lock()

    def submit[Result](
        self, jobs: Iterable[Callable[[], Result]], line: Hashable = _OF_THEIR_OWN
    ) -> deque[Future[Result]]:
        """Begin jobs in their order, at the end of a line. One that is cancelled before is never done."""
        futures: deque[Future[Result]] = deque()
        waiting: deque[Callable[[], None]] = deque()
        for job in jobs:
            future = Future[Result]()
            futures.append(future)
            waiting.append(partial(_do, future, job))
        if waiting:
            with self._lock:
                self._lines.setdefault(object() if line is _OF_THEIR_OWN else line, deque()).extend(waiting)
        for _ in range(len(futures)):
            self._threads.submit(self._next)
        return futures

    def _next(self) -> None:
        with self._lock:
            name = next(iter(self._lines))
            line = self._lines.pop(name)
            job = line.popleft()
            if line:
                self._lines[name] = line
        job()


def _do[Result](future: Future[Result], job: Callable[[], Result]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
