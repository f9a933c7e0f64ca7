"""What this service takes from the insides of Microsoft's worker library."""

from importlib import import_module
from importlib.metadata import version
from operator import attrgetter

from segment_function.worker_port import RELIED_ON

_PACKAGES = ("azure-functions-runtime", "azurefunctions-extensions-http-fastapi")


def missing(names: tuple[str, ...]) -> list[str]:
    """Those that are not there."""
    return [name for name in names if not _found(name)]


def _found(name: str) -> bool:
    module, _, path = name.partition(":")
    try:
        attrgetter(path)(import_module(module))
    except (ImportError, AttributeError):
        return False
    return True


def test_the_worker_library_has_what_is_relied_on() -> None:
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    gone = missing(RELIED_ON)
    assert not gone, f"{versions}: {', '.join(gone)} is gone, which segment_function/worker_port.py relies on"


def test_a_name_that_is_gone_is_told() -> None:
    assert missing(("no_such_module:name", "json:no_such.name", "json:loads.__name__")) == [
        "no_such_module:name",
        "json:no_such.name",
    ]
