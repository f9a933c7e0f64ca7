"""A thread pool that several sequences of jobs share fairly."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial


class RoundRobinExecutor:
    """Threads that take one job of each line in turn: a long line does not delay a short one."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, name)
        self._lines: deque[deque[Callable[[], None]]] = deque()
        self._lock = threading.Lock()

    def submit[Result](self, line: Iterable[Callable[[], Result]]) -> deque[Future[Result]]:
        """Begin the jobs of one line in their order. One that is cancelled before it begins is never done."""
        futures: deque[Future[Result]] = deque()
        jobs: deque[Callable[[], None]] = deque()
        for job in line:
            future = Future[Result]()
            futures.append(future)
            jobs.append(partial(_do, future, job))
        if jobs:
            with self._lock:
                self._lines.append(jobs)
        for _ in range(len(futures)):
            self._threads.submit(self._next)
        return futures

    def _next(self) -> None:
        with self._lock:
            line = self._lines.popleft()
            job = line.popleft()
            if line:
                self._lines.append(line)
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
