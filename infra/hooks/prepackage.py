"""Before azd packages the folder: build the networks and install the packages, even in a fresh clone.

azd runs this with any Python. What needs the app's version of Python is run by the builder's interpreter.
"""

import sys

from builder import builder, status_of
from networks import build_networks
from packages import bring_packages


def main() -> None:
    """Put everything that is deployed into the folder. Raises HookError."""
    python = builder()
    build_networks(python)
    bring_packages(python)


if __name__ == "__main__":
    sys.exit(status_of(main))
