"""What the contract is asked of: the embedded host, and Microsoft's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.functions_host.needed import skip
from tests.support.hosts import PROJECT, Host, embedded_host

KINDS = ("embedded", "functions")


@contextmanager
def started(kind: str, log: Path, settings: Mapping[str, str], app: Path = PROJECT) -> Iterator[Host]:
    """A host of this kind with these settings; skips where there is none."""
    if kind == "functions" and find_host() is None:
        skip(HOW_TO_GET_ONE)
    start = functions_host if kind == "functions" else embedded_host
    with start(log, settings, app) as host:
        yield host
