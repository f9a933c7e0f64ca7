"""The key: from the environment or asked for, never from the command line, where others can see it."""

import getpass
import sys
from collections.abc import Mapping


def read_key(environment: Mapping[str, str]) -> str:
    """The key, or "" for a service that wants none. Raises EOFError when nobody answers."""
    key = environment.get("SEGMENT_KEY")
    if key is None and sys.stderr.isatty():
        key = getpass.getpass("Key (empty for a service without): ", sys.stderr)
    return (key or "").strip()
