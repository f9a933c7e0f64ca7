"""A cold start as deployed: package, host and settings of a rehearsed `azd up`, until the first PNG."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.photos import jpeg
from bench.report import Table
from tests.azd.azure import Azure, rehearsed_azure
from tests.azd.laptop import Laptop
from tests.azd.person import Person
from tests.azd.program import HOW_TO_GET_ONE, find_azd
from tests.functions_host import find_host
from tests.infra.cli import find_bicep
from tests.infra.package import clone

_ROUNDS = 3
_TELEMETRY = ("APPLICATIONINSIGHTS_", "PYTHON_APPLICATIONINSIGHTS_")


def run() -> list[Table]:
    """Three kinds in turn; nothing where there is no azd, Bicep or host."""
    azd, bicep = find_azd(), find_bicep()
    if azd is None or bicep is None or find_host() is None:
        print(HOW_TO_GET_ONE)
        return []
    with tempfile.TemporaryDirectory() as folder, rehearsed_azure(_made(folder, "azure"), bicep) as azure:
        laptop = Laptop(azd, _made(folder, "laptop"), azure)
        clone(laptop.project)
        if laptop.run("up", "--no-prompt").status:
            return []
        package = azure.site.published[-1].folder
        plain = shutil.copytree(package, package.with_name("plain"), ignore=shutil.ignore_patterns("*.pyc"))
        settings = azure.site.settings
        quiet = {name: value for name, value in settings.items() if not name.startswith(_TELEMETRY)}
        kinds = {
            "as deployed": (package, settings),
            "without the package's bytecode": (plain, settings),
            "without telemetry": (package, quiet),
        }
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(_ROUNDS):
            for kind, (app, given) in kinds.items():
                seconds[kind].append(_first_png(azure, app, given))
    rows = [[kind, f"{statistics.median(times):.1f}"] for kind, times in seconds.items()]
    note = (
        "Seconds from the start of the Functions host to the first PNG of 0.3 megapixels, with the package "
        f"that azd publishes and the settings of the evaluated site. Median of {_ROUNDS}, in turn."
    )
    return [Table("Cold start as deployed", note, ("package", "seconds"), rows)]


def _first_png(azure: Azure, app: Path, settings: Mapping[str, str]) -> float:
    person, picture = Person(azure), jpeg(640, 480)
    azure.site.stop()
    begin = time.perf_counter()
    azure.site.serve(app, settings)
    while person.cut_out(picture, person.key).status_code != 200:
        time.sleep(0.02)
    return time.perf_counter() - begin


def _made(folder: str, name: str) -> Path:
    path = Path(folder, name)
    path.mkdir()
    return path
