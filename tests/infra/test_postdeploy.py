"""The hook after a deployment: a cut-out, or its absence in one sentence, and never a failure."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.azd.messages import Answer, Call
from tests.azd.server import plain_server
from tests.support.hosts import PROJECT, free_port
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow
HOOKS = Path("infra", "hooks")
SAMPLE = Path("segment_function", "pages", "static", "sample-product.jpg")
PNG = b"\x89PNG and the rest"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As much of one as the hook needs."""
    shutil.copytree(PROJECT / HOOKS, tmp_path / HOOKS, ignore=shutil.ignore_patterns("*env", "__pycache__"))
    (tmp_path / SAMPLE).parent.mkdir(parents=True)
    shutil.copy(PROJECT / SAMPLE, tmp_path / SAMPLE)
    return tmp_path


@contextmanager
def endpoint(ready: int, segment: int) -> Iterator[str]:
    """An app that answers so."""

    def answer(call: Call) -> Answer:
        return (
            Answer(ready) if call.path == "/ready" else Answer(segment, PNG if segment == 200 else b"why not")
        )

    with plain_server(answer) as url:
        yield url


def run(project: Path, hook: str = "postdeploy.py", **variables: str) -> str:
    """What it prints. There is neither azd nor Azure."""
    environment = {
        "PATH": "",
        "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
        "AZURE_ENV_NAME": "test",
        "AZURE_FUNCTION_NAME": "func",
        "AZURE_KEY_VAULT_NAME": "kv-test",
        "AZURE_RESOURCE_GROUP": "rg",
        "AZURE_SUBSCRIPTION_ID": "s",
        "SEGMENT_HOOK_PATIENCE_S": "1",
        "SEGMENT_KEY": "a key",
        **variables,
    }
    command = [sys.executable, str(project / HOOKS / hook)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout


def test_cutout_is_kept_and_named(project: Path) -> None:
    with endpoint(200, 200) as url:
        told = run(project, SERVICE_API_ENDPOINT=url)
    target = project / ".azure" / "test" / "cutout.png"
    assert target.read_bytes() == PNG
    assert f"A cut-out by your own endpoint: {target}" in told
    assert f"Endpoint:      {url}\n" in told
    assert "az keyvault secret show --vault-name kv-test --name api-key-1" in told


@pytest.mark.parametrize(
    ("ready", "segment", "variables", "cause"),
    [
        (200, 200, {"SEGMENT_KEY": ""}, "who deployed has no role to read the key"),
        (200, 200, {"SEGMENT_KEY": "", "VNET_ENABLED": "true"}, "the key is in a vault that is open to your"),
        (503, 200, {}, "the app was not ready in time (/ready answers 503)"),
        (200, 401, {}, "the endpoint answered 401: why not"),
        (200, 500, {}, "the endpoint answered 500: why not"),
    ],
)
def test_cause_is_told_in_a_sentence(
    ready: int, segment: int, variables: dict[str, str], cause: str, project: Path
) -> None:
    with endpoint(ready, segment) as url:
        told = run(project, SERVICE_API_ENDPOINT=url, **variables)
    assert f"No cut-out yet: {cause}" in told
    assert "Next:" in told
    assert not (project / ".azure").exists()


def test_endpoint_that_nobody_serves(project: Path) -> None:
    told = run(project, SERVICE_API_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert "No cut-out yet: the endpoint cannot be reached from here" in told


def test_nothing_provisioned(project: Path) -> None:
    told = run(project, SERVICE_API_ENDPOINT="", AZURE_KEY_VAULT_NAME="")
    assert "No cut-out yet: Nothing is provisioned yet: run 'azd up'." in told


def test_hook_before_it_waits_for_nobody_who_may_not_read(project: Path) -> None:
    assert run(project, "postprovision.py", API_KEY_SECRET="") == ""
    place = "akvs://s/kv-test/api-key-1"
    assert run(project, "postprovision.py", API_KEY_SECRET=place) == ""
