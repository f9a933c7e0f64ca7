"""Before azd packs the folder: build the networks, bring the packages; on a fresh clone too.

azd runs it with any Python; what takes the app's own version is done by the builder's, which it looks for.
"""

import sys

from builder import HookError, builder, run
from packages import bring_packages


def main() -> int:
    """0 when the folder holds all that is deployed."""
    try:
        python = builder()
        run([str(python), "-m", "model_build"])
        bring_packages(python)
    except HookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
