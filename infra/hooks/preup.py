"""Before `azd up` creates anything: build the chosen network, and check that it fits into the instance.

azd packages the folder while it provisions, so a check in prepackage.py would come too late.
"""

import os
import sys

from builder import builder, status_of
from networks import build_networks


def main() -> None:
    """Build the network of SEGMENT_MODEL. Raises HookError if the instance is too small for it."""
    if os.environ.get("SEGMENT_MODEL"):
        build_networks(builder())


if __name__ == "__main__":
    sys.exit(status_of(main))
