"""docs/deploy.md and docs/operations.md, typed as they are printed: every command, in order, in one shell.

azd and az are the real ones. What a person does beside typing is done here: he signs in with a browser,
answers what `azd down` and `azd pipeline config` ask, and waits for a cut-out before he fetches it. Which
subscription and which region azd reads from variables, for those two questions it asks only at a terminal.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from PIL import Image

from cutout_function.names import picture_name
from tests.azd.arm import SUBSCRIPTION
from tests.azd.az import HOW_TO_GET_ONE, find_az
from tests.azd.azure import Azure
from tests.azd.conftest import new_laptop, skip
from tests.azd.github import GitHub
from tests.azd.laptop import Laptop, Screen
from tests.azd.person import Person
from tests.azd.refusals import not_registered
from tests.azd.runtime import principal_id
from tests.azd.session import Session
from tests.azd.shells import PAGES, Block, blocks, error_commands
from tests.azd.typist import SAMPLE, sit_down, with_history
from tests.support.photos import encoded

pytestmark = pytest.mark.slow
ALL = [block for page in PAGES for block in blocks(page)]
SHOP = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/id-shop"
)
"""An identity that somebody else has made, which the page has call the service."""
WITHOUT_KEYS = "the app cannot read its keys from the vault"


@dataclass
class Run:
    """What was shown after each block, and what callers met meanwhile."""

    laptop: Laptop
    github: GitHub
    screens: dict[str, Screen] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    """Of the calls during the rotation of a key."""
    keys: list[str] = field(default_factory=list)
    """The second key before the rotation, and after it."""
    without_keys: Screen | None = None
    with_keys: Screen | None = None
    """When the app could not read its keys, and after the command against that."""

    def after(self, command: str) -> Screen:
        """The screen of the first block that has the command."""
        return next(self.screens[str(block)] for block in ALL if command in block.bash)


@pytest.fixture(scope="module")
def run(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Run:
    az = find_az()
    if az is None:
        skip(HOW_TO_GET_ONE)
    laptop = new_laptop(azure, tmp_path_factory.mktemp("typed"))
    done = Run(laptop, with_history(laptop))
    group = SHOP.partition("/providers/")[0]
    kind = {"type": "Microsoft.Resources/resourceGroups", "location": "westeurope", "tags": {}}
    azure.arm.resources[group] = {**kind, "id": group, "name": "rg-shop", "properties": {}}
    azure.arm.put(SHOP, {})
    azure.arm.refusals.append(not_registered(lambda: azure.arm.registered))
    person = Person(azure)
    beside: dict[str, Callable[[], None]] = {
        "az storage blob download": lambda: _until_cut_out(person),
    }
    variables = {"AZD_GH_TOOL_PATH": str(done.github.program), "AZURE_LOCATION": "westeurope"}
    with sit_down(laptop, az, **variables) as shell:
        for block in ALL:
            for command, wait in beside.items():
                if command in block.bash:
                    wait()
            if "keys.py rotate" in block.bash:
                with _callers(person, done):
                    done.screens[str(block)] = shell.run(block.bash)
            else:
                done.screens[str(block)] = shell.run(block.bash)
            if done.screens[str(block)].status:
                break
            if "azd up" in block.bash and done.without_keys is None:
                _keys_not_known_yet(shell, azure, done)
    return done


def _keys_not_known_yet(shell: Session, azure: Azure, run: Run) -> None:
    """The app does not start, for the platform could not read the vault; then it can."""
    azure.site.stop()
    azure.site.resolved = False
    run.without_keys = shell.run("SEGMENT_HOOK_PATIENCE_S=1 azd hooks run postdeploy")
    run.with_keys = shell.run(error_commands()[WITHOUT_KEYS])


def _until_cut_out(person: Person) -> None:
    person.wait_for("cutouts", picture_name("photo.jpg"))


@contextmanager
def _callers(person: Person, run: Run) -> Iterator[None]:
    """Two, who call with the first key without a pause while the second is made anew."""
    picture, done = encoded("JPEG", 200, 150), threading.Event()
    run.keys.append(person.key_named("api-key-2"))

    def call() -> None:
        while not done.is_set():
            run.statuses.append(person.cut_out(picture, person.key).status_code)

    with ThreadPoolExecutor(2) as callers:
        calling = [callers.submit(call) for _ in range(2)]
        try:
            yield
        finally:
            done.set()
        for caller in calling:
            caller.result()
    run.keys.append(person.key_named("api-key-2"))


@pytest.mark.parametrize("block", ALL, ids=str)
def test_commands_run_as_they_are_printed(run: Run, block: Block) -> None:
    screen = run.screens.get(str(block))
    assert screen is not None, "a block before it has failed"
    assert screen.status == 0, screen.text


def test_person_was_signed_in_by_the_browser(run: Run, azure: Azure) -> None:
    assert run.screens
    assert len(azure.sign_in.signed_in) == 2  # azd, and az


def test_up_ends_with_a_cutout(run: Run) -> None:
    assert "A cut-out by your own endpoint:" in run.after("azd up").text


def test_first_call_has_made_a_cutout(run: Run) -> None:
    """By curl, and then by way of the containers, in the same file."""
    with (
        Image.open(run.laptop.project / "cutout.png") as image,
        Image.open(run.laptop.project / SAMPLE) as photo,
    ):
        assert (image.mode, image.size) == ("RGBA", photo.size)


def test_key_is_rotated_without_a_failed_call(run: Run) -> None:
    screen = run.after("keys.py rotate")
    assert "The service takes the new api-key-2, and api-key-1 as before" in screen.text
    assert len(run.statuses) > 5
    assert set(run.statuses) == {200}
    before, after = run.keys
    assert before != after
    assert screen.text.count(after) == 1  # `show` shows it


def test_parameters_have_arrived(run: Run, azure: Azure) -> None:
    sent = [given for given in azure.arm.parameters if "entraCallers" in given]
    assert run.screens
    assert sent[0]["entraCallers"] == f"shop={principal_id(SHOP)}"
    assert azure.arm.parameters[-1]["maximumInstanceCount"] == 100


def test_keys_that_are_not_known_yet_are_asked_for_again(run: Run) -> None:
    """A row of the page's table of errors, with its command."""
    assert run.without_keys
    assert WITHOUT_KEYS in run.without_keys.text
    assert run.with_keys
    assert "A cut-out by your own endpoint:" in run.with_keys.text


def test_pipeline_is_configured(run: Run) -> None:
    assert run.github.variables()["AZURE_ENV_NAME"] == "segment"


def test_nothing_was_asked_that_nobody_plays(run: Run, azure: Azure) -> None:
    assert run.screens
    assert azure.unknown == []
