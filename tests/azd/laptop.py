"""A person's machine: a clone of the project, and azd at its prompt."""

import os
import shutil
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from tests.azd.arm import SUBSCRIPTION
from tests.azd.azure import Azure
from tests.support.hosts import PROJECT

PATIENCE_S = 1200
SAMPLE = PROJECT / "segment_function" / "pages" / "static" / "sample-product.jpg"
"""The picture that is cut out after an `azd up`."""
BY_AZD = {"environmentName", "location", "principalType"}
"""Parameters that azd gives by itself."""
_INHERITED = ("HOME", "LANG", "PATH", "PIP_FIND_LINKS", "UV_CACHE_DIR", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Screen:
    """What was printed, and how it ended."""

    status: int
    text: str


@dataclass(frozen=True)
class Laptop:
    """Where azd is run.

    Its folder for temporary files is its own: azd names a package by the project and the second, and two
    laptops that pack in the same second would write one file.
    """

    azd: Path
    folder: Path
    azure: Azure
    temporary: Path = field(init=False, default_factory=lambda: Path(mkdtemp(prefix="laptop-")))
    """Not in `folder`: the path of a socket in it must be short."""

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.temporary, ignore_errors=True)

    @property
    def project(self) -> Path:
        return self.folder / "segment-function"

    def run(self, *arguments: str, **variables: str) -> Screen:
        """`azd …`, shown as it goes, and ended when it hangs."""
        return self.run_program("azd", *arguments, **variables)

    def run_program(self, *command: str, **variables: str) -> Screen:
        """Any program, in the project's folder, with azd on the path."""
        sys.stdout.write(f"\n$ {' '.join(command)}\n")
        lines = []
        environment = self.environment | variables
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        with subprocess.Popen(
            [program, *command[1:]],
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            patience = threading.Timer(PATIENCE_S, process.kill)
            patience.start()
            for line in process.stdout:
                sys.stdout.write(line)
                lines.append(line)
            patience.cancel()
        return Screen(process.returncode, "".join(lines))

    @property
    def programs(self) -> Path:
        """A folder with azd under its name."""
        folder = self.folder / "programs"
        if not folder.is_dir():
            folder.mkdir()
            (folder / "azd").symlink_to(self.azd)
        return folder

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this process's but what a person's shell has too."""
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "PATH": os.pathsep.join((str(self.programs), os.environ["PATH"])),
            **self.azure.environment,
            "AZD_AUTH_ENDPOINT": self.azure.sign_in_url,
            "AZD_AUTH_KEY": self.azure.entra.azd_key,
            "AZD_BICEP_TOOL_PATH": self.azure.arm.bicep.program,
            "AZD_CONFIG_DIR": str(self.folder / "azd-config"),
            "AZD_SKIP_UPDATE_CHECK": "true",
            "AZURE_DEV_COLLECT_TELEMETRY": "no",
            "AZURE_ENV_NAME": "rehearsal",
            "AZURE_LOCATION": "westeurope",
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
            "NO_COLOR": "1",
            "TMPDIR": str(self.temporary),
        }
