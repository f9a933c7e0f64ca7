"""What is told of the wall; that it stands is tested in real rooms (`test_rooms.py`)."""

import pytest

from shared_code.room.wall import WHOLE, Part, lacking


@pytest.mark.parametrize(
    ("wall", "names"),
    [
        (WHOLE, []),
        (Part(0), ["limits", "no_new_privileges", "seccomp"]),
        (Part.LIMITS | Part.NO_NEW_PRIVILEGES, ["seccomp"]),
        (Part.SECCOMP, ["limits", "no_new_privileges"]),
    ],
)
def test_missing_parts_are_named(wall: Part, names: list[str]) -> None:
    assert lacking(wall) == names
