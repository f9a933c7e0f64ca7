"""From the first `azd up` to the last `azd down`, in order, on one rehearsed Azure."""

import hashlib
import io
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml
from PIL import Image

from cutout_function.names import picture_name
from shared_code.version import VERSION
from tests.azd.azure import ELSEWHERE, OFFICE, Azure
from tests.azd.conftest import new_laptop
from tests.azd.github import WORKFLOWS, play_github, steps
from tests.azd.identity import PERSON
from tests.azd.laptop import BY_AZD, SAMPLE, Laptop, Screen
from tests.azd.messages import error
from tests.azd.person import Person
from tests.azd.portal import deploy, serving
from tests.infra.parameters import variables
from tests.support.patience import wait_for
from tests.support.photos import encoded

pytestmark = pytest.mark.slow


def test_up_ends_with_a_cutout(first: Screen, laptop: Laptop, azure: Azure) -> None:
    assert first.status == 0
    where = re.search(r"A cut-out by your own endpoint: (\S+)", first.text)
    assert where, first.text
    with Image.open(where[1]) as image, Image.open(SAMPLE) as sample:
        assert (image.mode, image.size) == ("RGBA", sample.size)
    assert Path(where[1]).is_relative_to(laptop.project)
    assert f"https://{azure.site.name}.azurewebsites.net" in first.text
    (vault,) = azure.arm.of_type("Microsoft.KeyVault/vaults")
    assert f"az keyvault secret show --vault-name {vault['name']} --name api-key-1" in first.text
    assert "docs/deploy.md" in first.text
    assert "SUCCESS: Your application was provisioned and deployed to Azure" in first.text


@pytest.mark.usefixtures("first")
def test_nothing_was_asked_that_nobody_plays(azure: Azure) -> None:
    assert azure.unknown == []


@pytest.mark.usefixtures("first")
def test_key_was_read_with_the_persons_own_sign_in(azure: Azure) -> None:
    assert PERSON in azure.vault.reads
    assert azure.arm.parameters[-1]["principalType"] == "User"


@pytest.mark.usefixtures("first")
def test_package_was_published_as_it_is(azure: Azure) -> None:
    (published,) = azure.site.published
    assert published.target == "/api/publish"  # and not with RemoteBuild
    assert (published.folder / ".python_packages").is_dir()
    assert list((published.folder / "shared_code" / "__pycache__").glob("*.pyc"))


@pytest.mark.usefixtures("first")
def test_app_has_the_settings_of_the_site_and_no_other(azure: Azure) -> None:
    instance = azure.site.instance
    assert instance is not None
    environment = Path(f"/proc/{instance.pid}/environ").read_bytes().decode().split("\0")
    theirs = {entry.partition("=")[0] for entry in environment}
    ours = {name for name in theirs if name.startswith(("SEGMENT_", "CUTOUT_", "APPLICATIONINSIGHTS_"))}
    assert ours <= azure.site.settings.keys()
    assert azure.site.settings["SEGMENT_API_KEY_1"] == Person(azure).key


@pytest.mark.usefixtures("first")
def test_picture_in_the_account_is_cut_out(person: Person) -> None:
    person.upload("uploads", "photo.jpg", encoded("JPEG", 200, 150))
    image = Image.open(io.BytesIO(person.wait_for("cutouts", picture_name("photo.jpg"))))
    assert (image.mode, image.size) == ("RGBA", (200, 150))


@pytest.mark.usefixtures("first")
def test_call_without_the_key_is_refused(person: Person) -> None:
    assert person.cut_out(encoded("JPEG", 200, 150), "another").status_code == 401


@pytest.mark.usefixtures("first")
def test_preview_shows_and_changes_nothing(laptop: Laptop, azure: Azure) -> None:
    before = dict(azure.arm.resources)
    screen = laptop.run("provision", "--preview", "--no-prompt")
    assert screen.status == 0, screen.text
    assert azure.site.name in screen.text
    assert azure.arm.resources == before


@pytest.mark.usefixtures("first")
def test_second_up_leaves_the_keys(laptop: Laptop, azure: Azure, person: Person) -> None:
    secrets = dict(azure.vault.secrets)
    screen = laptop.run("up", "--no-prompt")
    assert screen.status == 0
    assert "A cut-out by your own endpoint:" in screen.text
    assert azure.vault.secrets == secrets
    assert person.cut_out(encoded("JPEG", 200, 150), person.key).status_code == 200


SET = {
    # Of each parameter a value that is not its default.
    "instanceMemoryMB": "4096",
    "segmentModel": "u2netp",
    "maximumInstanceCount": "41",
    "alwaysReadyInstances": "1",
    "httpConcurrency": "3",
    "zoneRedundant": "true",
    "updateStrategy": "RollingUpdate",
    "corsOrigins": "https://a.example,https://b.example",
    "moreFormats": "avif",
    "packageUri": "https://example.com/segment-function-1.0.0.zip",
    "appSettings": "SEGMENT_URL_INPUT=off;SEGMENT_MATTE_PNG=indexed",
    "cutoutsEnabled": "false",
    "cutoutMode": "foregroundMatting",
    "cutoutFormat": "webp",
    "uploadRetentionDays": "7",
    "storageSku": "Standard_ZRS",
    "vnetEnabled": "true",
    "vnetAddressPrefix": "10.61.0.0/16",
    "vnetAppPrefix": "10.61.0.0/24",
    "vnetEndpointPrefix": "10.61.1.0/24",
    "allowedAddresses": "203.0.113.7,198.51.100.0/24",
    "deployerAccess": "false",
    "developerId": "44444444-4444-4444-4444-444444444444",
    "developerType": "ServicePrincipal",
    "recoverVault": "true",
    "entraCallers": "shop=55555555-5555-5555-5555-555555555555",
    "entraAppIds": "66666666-6666-6666-6666-666666666666",
    "keysEnabled": "false",
    "logRetentionDays": "31",
    "logDailyCapGb": "2",
    "tracedPercent": "25",
    "alertEmail": "somebody@example.com",
    "dailyGbSeconds": "20000",
    "availabilityTest": "true",
    "monthlyBudget": "30",
    "budgetStart": "2026-01-01",
}


def test_every_parameter_that_a_person_sets_is_tried() -> None:
    assert SET.keys() | BY_AZD == variables().keys()


def test_pipeline_has_what_the_laptop_has(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each variable once on a laptop; a pipeline of `azd pipeline config` then sends the same parameters."""
    laptop = new_laptop(azure, tmp_path_factory.mktemp("configured"))
    github = play_github(laptop.folder / "github", laptop.project)
    names = variables()
    pairs = [f"{names[name]}={value}" for name, value in SET.items()]
    assert laptop.run("env", "new", "rehearsal", "--no-prompt").status == 0
    assert laptop.run("env", "set", *pairs).status == 0
    assert laptop.run("provision", "--preview", "--no-prompt").status == 0
    of_laptop = azure.arm.parameters[-1]
    configured = laptop.run(
        *("pipeline", "config", "--provider", "github", "--auth-type", "federated", "--no-prompt"),
        AZD_GH_TOOL_PATH=str(github.program),
    )
    assert configured.status == 0, configured.text
    there = {path.name for path in (laptop.project / ".github" / "workflows").iterdir()}
    assert there == {path.name for path in WORKFLOWS.iterdir()}  # azd has added none of its own
    carried = github.variables()
    assert {names[name]: value for name, value in SET.items()}.items() <= carried.items()

    runner = new_laptop(azure, tmp_path_factory.mktemp("runner"))
    workflow = yaml.safe_load((WORKFLOWS / "azure-dev.yml").read_text())
    given = {
        name: carried[match[1]]
        for name, value in workflow["jobs"]["deploy"]["env"].items()
        if (match := re.fullmatch(r"\$\{\{ vars\.(\w+) \}\}", value)) and match[1] in carried
    }
    assert runner.run("provision", "--preview", "--no-prompt", **given).status == 0
    assert azure.arm.parameters[-1] == of_laptop
    for name, value in SET.items():
        sent = of_laptop[name]
        assert (str(sent).lower() if isinstance(sent, bool) else str(sent)) == value


@pytest.mark.usefixtures("first")
def test_without_any_variable_the_templates_own_defaults_hold(azure: Azure) -> None:
    assert azure.arm.parameters[0].keys() == BY_AZD


@pytest.mark.usefixtures("first")
def test_budget_keeps_its_start(laptop: Laptop, azure: Azure) -> None:
    """In a later month, from the laptop, and from a pipeline that knows nothing of the first time."""
    assert laptop.run("provision", "--no-prompt", MONTHLY_BUDGET="20").status == 0
    azure.arm.month = "2026-02-01"
    assert laptop.run("provision", "--no-prompt", MONTHLY_BUDGET="21").status == 0
    runner = new_laptop(azure, laptop.folder / "later-run")
    deploy = steps("azure-dev", "deploy")["Deploy"].replace("azd up", "azd provision")
    assert runner.run_program("bash", "-e", "-c", deploy, MONTHLY_BUDGET="22", BUDGET_START="").status == 0
    (budget,) = azure.arm.of_type("Microsoft.Consumption/budgets")
    assert budget["properties"]["amount"] == 22
    assert budget["properties"]["timePeriod"] == {"startDate": "2026-01-01"}


@pytest.mark.usefixtures("first", "azure")
def test_key_is_rotated_while_callers_call(laptop: Laptop, person: Person) -> None:
    """With the first key, while the second is made anew; no call of theirs fails."""
    assert laptop.run("provision", "--no-prompt", UPDATE_STRATEGY="RollingUpdate").status == 0
    picture, old = encoded("JPEG", 200, 150), person.key_named("api-key-2")
    assert person.cut_out(picture, old).status_code == 200
    statuses: list[int] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            statuses.append(person.cut_out(picture, person.key).status_code)

    with ThreadPoolExecutor(2) as callers:
        calling = [callers.submit(call) for _ in range(2)]
        try:
            rotated = laptop.run_program(sys.executable, "infra/keys.py", "rotate", "api-key-2")
        finally:
            done.set()
        for caller in calling:
            caller.result()
    assert rotated.status == 0, rotated.text
    assert "The service takes the new api-key-2, and api-key-1 as before" in rotated.text
    assert len(statuses) > 5
    assert set(statuses) == {200}
    assert person.cut_out(picture, person.key_named("api-key-2")).status_code == 200
    assert person.cut_out(picture, old).status_code == 401
    assert old not in rotated.text
    assert person.key_named("api-key-2") not in rotated.text


@pytest.mark.usefixtures("first", "person")
def test_no_key_is_rotated_when_callers_would_have_none(
    laptop: Laptop,
    azure: Azure,
) -> None:
    before = dict(azure.vault.secrets)
    (place,) = [key for key in before if key[1] == "api-key-1"]
    azure.vault.secrets[place] = "set by hand, and not read by the service yet"
    try:
        refused = laptop.run_program(sys.executable, "infra/keys.py", "rotate", "api-key-2")
    finally:
        azure.vault.secrets[place] = before[place]
    assert refused.status == 1
    assert "Nothing was changed: the service does not take api-key-1" in refused.text
    assert azure.vault.secrets == before


@pytest.mark.usefixtures("first")
def test_refusal_is_shown(laptop: Laptop, azure: Azure) -> None:
    """The rehearsal can fail: what Azure says reaches the screen, and the exit code."""
    azure.arm.failure = error(
        400, "InsufficientQuota", "Operation cannot be completed without additional quota."
    )
    try:
        screen = laptop.run("provision", "--preview", "--no-prompt")
    finally:
        azure.arm.failure = None
    assert screen.status != 0
    assert "additional quota" in screen.text


@pytest.mark.usefixtures("first")
def test_down_and_up_again(laptop: Laptop, azure: Azure, person: Person) -> None:
    """The vault's name is taken for a week, so that the vault is brought back, with its keys."""
    key = person.key
    assert laptop.run("down", "--force", "--no-prompt").status == 0
    assert azure.arm.of_type("Microsoft.Web/sites") == []
    assert azure.site.instance is None
    refused = laptop.run("provision", "--no-prompt")
    assert refused.status != 0
    assert "already exists in deleted state" in refused.text
    assert laptop.run("env", "set", "RECOVER_VAULT", "true").status == 0
    again = laptop.run("up", "--no-prompt")
    assert again.status == 0, again.text
    assert "A cut-out by your own endpoint:" in again.text
    assert person.key == key


@pytest.mark.usefixtures("first")
def test_manual_workflow_goes_up_cuts_out_and_goes_down(laptop: Laptop, azure: Azure, tmp_path: Path) -> None:
    """What it runs, step by step, but for the sign-in; in an environment of its own."""
    assert laptop.run("down", "--force", "--no-prompt").status == 0
    runner = new_laptop(azure, tmp_path)
    run = steps("up-and-down", "up-and-down")
    for name in ("Up", "Cut out a picture", "Down"):
        screen = runner.run_program("bash", "-e", "-c", run[name], AZURE_ENV_NAME="try-1-1")
        assert screen.status == 0, screen.text
        if name == "Up":
            assert azure.arm.parameters[-1]["developerId"] == PERSON
    with Image.open(runner.project / "cutout.png") as image, Image.open(SAMPLE) as sample:
        assert (image.mode, image.size) == ("RGBA", sample.size)
    assert azure.arm.of_type("Microsoft.Web/sites") == []


@pytest.mark.usefixtures("first")
def test_release_is_deployed_from_the_portal(azure: Azure, person: Person, tmp_path: Path) -> None:
    """The package as the workflow builds it; the button's template has the platform fetch and run it."""
    runner = new_laptop(azure, tmp_path)
    build = steps("release", "release")["Build the package"]
    built = runner.run_program("bash", "-e", "-c", build, VERSION=VERSION)
    assert built.status == 0, built.text
    name = f"segment-function-{VERSION}.zip"
    said = (runner.project / "dist" / f"{name}.sha256").read_text()
    assert said == f"{hashlib.sha256((runner.project / 'dist' / name).read_bytes()).hexdigest()}  {name}\n"
    with serving(runner.project / "dist") as address:
        given = {"environmentName": "portal", "location": "westeurope", "packageUri": f"{address}/{name}"}
        deploy(azure, given)
    assert azure.site.published[-1].target == given["packageUri"]
    picture = encoded("JPEG", 200, 150)
    wait_for(lambda: person.cut_out(picture, person.key).status_code == 200)


@pytest.mark.usefixtures("first")
def test_network_closed_from_the_portal_is_used_from_the_named_address(azure: Azure, person: Person) -> None:
    """Keys and containers from the office and by the app; calls of the API, as before, from anywhere."""
    given = {"environmentName": "portal", "location": "westeurope", "vnetEnabled": True}
    picture = encoded("JPEG", 200, 150)
    deploy(azure, {**given, "allowedAddresses": OFFICE})
    assert person.read_key("api-key-1").json()["value"] == person.key
    person.upload("uploads", "from-the-office.jpg", picture)
    person.wait_for("cutouts", picture_name("from-the-office.jpg"))
    with azure.seen_from(ELSEWHERE) as proxy_url:
        stranger = Person(azure, proxy_url)
        assert stranger.cut_out(picture, person.key).status_code == 200
        assert stranger.read_key("api-key-1").status_code == 403
        with pytest.raises(httpx.HTTPStatusError, match="403"):
            stranger.upload("uploads", "from-elsewhere.jpg", picture)
    deploy(azure, given)
    assert person.read_key("api-key-1").status_code == 403  # and from inside alone when nobody is named


@pytest.mark.usefixtures("first")
def test_nothing_at_all_was_asked_that_nobody_plays(azure: Azure) -> None:
    """In the whole of this file."""
    assert azure.unknown == []
