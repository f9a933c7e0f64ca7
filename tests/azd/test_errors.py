"""The errors that docs/deploy.md knows: azd prints the text of each row, and the row's command mends it.

Each is played as Azure answers it, to azd as it is.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.azd.arm import KNOWN_ROLES, SUBSCRIPTION
from tests.azd.az import HOW_TO_GET_ONE, find_az
from tests.azd.azure import Azure
from tests.azd.conftest import new_laptop, skip
from tests.azd.identity import PERSON
from tests.azd.laptop import Laptop, Screen
from tests.azd.refusals import (
    no_quota,
    no_right_to_assign,
    not_offered,
    not_registered,
    public_storage_denied,
)
from tests.azd.shells import error_commands
from tests.azd.typist import sit_down

pytestmark = pytest.mark.slow
WITH_AN_APP = "the app cannot read its keys from the vault"
"""The row that needs one: tests/azd/test_pages.py plays it."""
RIGHT_TO_ASSIGN = KNOWN_ROLES["Role Based Access Control Administrator"]


@dataclass
class Desk:
    """A laptop at which somebody is signed in, with a subscription where nothing is made."""

    azure: Azure
    laptop: Laptop
    az: Path
    environments: int = 0

    def type(self, commands: str) -> Screen:
        """In a shell of their own."""
        with sit_down(self.laptop, self.az) as shell:
            return shell.run(commands)

    def begin(self, location: str = "westeurope") -> str:
        """An environment of its own for each row; its name."""
        self.environments += 1
        name = f"row-{self.environments}"
        assert self.type(f"azd env new {name} --location {location}").status == 0
        return name


@pytest.fixture(scope="module")
def desk(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    az = find_az()
    if az is None:
        skip(HOW_TO_GET_ONE)
    made = Desk(azure, new_laptop(azure, tmp_path_factory.mktemp("errors")), az)
    signed_in = made.type("azd auth login\naz login")
    assert signed_in.status == 0, signed_in.text
    return made


@pytest.fixture(autouse=True)
def empty(desk: Desk) -> Iterator[None]:
    """A subscription that refuses nothing, before each row and after it."""
    arm = desk.azure.arm
    for state in (arm.refusals, arm.resources, arm.deleted_vaults):
        state.clear()
    yield
    for state in (arm.refusals, arm.resources, arm.deleted_vaults):
        state.clear()


def quota(desk: Desk) -> None:
    desk.begin()
    desk.azure.arm.refusals.append(no_quota("westeurope"))


def region(desk: Desk) -> None:
    desk.begin()
    desk.azure.arm.refusals.append(not_offered("westeurope", "swedencentral,eastus2"))


def region_without_the_plan(desk: Desk) -> None:
    desk.begin("israelcentral")


def group_elsewhere(desk: Desk) -> None:
    name = desk.begin("swedencentral")
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{name}"
    kind = {"type": "Microsoft.Resources/resourceGroups", "tags": {"azd-env-name": name}}
    desk.azure.arm.resources[group] = {**kind, "id": group, "name": f"rg-{name}", "location": "westeurope"}


def policy(desk: Desk) -> None:
    desk.begin()
    desk.azure.arm.refusals.append(public_storage_denied)


def roles(desk: Desk) -> None:
    desk.begin()

    def may_assign() -> bool:
        given = desk.azure.arm.of_type("Microsoft.Authorization/roleAssignments")
        return any(
            role["properties"]["principalId"] == PERSON
            and role["properties"]["roleDefinitionId"].endswith(RIGHT_TO_ASSIGN)
            for role in given
        )

    desk.azure.arm.refusals.append(no_right_to_assign(PERSON, may_assign))


def vault(desk: Desk) -> None:
    desk.begin()
    shown = desk.type("azd provision --preview").text
    named = re.search(r"Key Vault +: (\S+)", shown)
    assert named, shown
    desk.azure.arm.deleted_vaults.add(named[1])


def provider(desk: Desk) -> None:
    desk.begin()
    assert desk.type("azd env set VNET_ENABLED true").status == 0
    desk.azure.arm.refusals.append(not_registered(lambda: desk.azure.arm.registered))


PLAYED: dict[str, Callable[[Desk], None]] = {
    "additional quota": quota,
    "is not available for resource type 'Microsoft.Web/serverfarms'": region,
    "is not part of the allowed value(s)": region_without_the_plan,
    "The Resource group already exists in location": group_elsewhere,
    "was disallowed by policy": policy,
    "Microsoft.Authorization/roleAssignments/write": roles,
    "already exists in deleted state": vault,
    "check if 'Microsoft.App' is registered": provider,
}


def test_each_row_is_played() -> None:
    assert error_commands().keys() == PLAYED.keys() | {WITH_AN_APP}


@pytest.mark.parametrize("text", PLAYED)
def test_row(desk: Desk, text: str) -> None:
    PLAYED[text](desk)
    failed = desk.type("azd provision")
    assert failed.status != 0
    assert text in failed.text, failed.text
    command = error_commands()[text]
    if "OBJECT_ID" in command:
        named = re.search(r"with object id '([\w-]+)'", failed.text)
        assert named
        command = command.replace("OBJECT_ID", named[1])
    mended = desk.type(command)
    assert mended.status == 0, mended.text
    again = desk.type("azd provision --preview")
    assert again.status == 0, again.text


def test_nothing_was_asked_that_nobody_plays(desk: Desk) -> None:
    assert desk.azure.unknown == []
