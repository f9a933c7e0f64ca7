"""`python -m inventory` writes THIRD_PARTY.md anew; with `--sbom FILE` it writes the SBOM of a release."""

import argparse
import sys
from pathlib import Path

from inventory.components import InventoryError, shipped
from inventory.page import PAGE, page
from inventory.sbom import sbom


def main(arguments: list[str] | None = None) -> None:
    """Write the page or the SBOM; exits with a sentence if the data of a component cannot be found."""
    parser = argparse.ArgumentParser(prog="python -m inventory", description=__doc__)
    parser.add_argument("--sbom", type=Path, metavar="FILE", help="write the SBOM there, and not the page")
    target: Path | None = parser.parse_args(arguments).sbom
    try:
        components = shipped()
    except InventoryError as error:
        sys.exit(str(error))
    if target is None:
        PAGE.write_text(page(components), encoding="utf-8")
    else:
        target.write_text(sbom(components), encoding="utf-8")


if __name__ == "__main__":
    main()
