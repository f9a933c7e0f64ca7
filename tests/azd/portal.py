"""A person who has the portal and nothing else: the button's template, sent to Azure Resource Manager."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from tests.azd.arm import SUBSCRIPTION
from tests.azd.azure import Azure
from tests.azd.identity import MANAGEMENT, PERSON
from tests.azd.messages import Call
from tests.infra.cli import INFRA
from tests.support.loopback import QuietHandler, listening


def deploy(azure: Azure, parameters: Mapping[str, object]) -> None:
    """Raises RuntimeError with what Azure has against it."""
    template = json.loads((INFRA / "azuredeploy.json").read_text())
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Resources/deployments/portal"
    given = {name: {"value": value} for name, value in parameters.items()}
    properties = {"mode": "Incremental", "template": template, "parameters": given}
    headers = {"authorization": f"Bearer {azure.entra.token(MANAGEMENT[0], PERSON)}"}
    body = json.dumps({"location": parameters["location"], "properties": properties}).encode()
    answer = azure.answer(
        Call("PUT", "management.azure.com", f"{path}?api-version=2021-04-01", headers, body)
    )
    if answer.status != 201:
        raise RuntimeError(answer.body.decode(errors="replace"))


class _Files(QuietHandler, SimpleHTTPRequestHandler):
    """Those of a folder."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The folder's files at an address of this machine, as those of a release have one."""
    with listening(partial(_Files, directory=str(folder))) as address:
        yield address
