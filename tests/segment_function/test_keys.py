import pytest

from segment_function.keys import check_key
from shared_code.errors import AccessDenied
from shared_code.settings import load_settings

TWO = {"SEGMENT_API_KEYS": "first-key,second-key"}
ANYONE = {"SEGMENT_ALLOW_ANONYMOUS": "true"}


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        (TWO, "first-key"),
        (TWO, "second-key"),
        (TWO | ANYONE, "second-key"),
        (ANYONE, None),
        (ANYONE, "whatever"),
    ],
)
def test_lets_in(environment: dict[str, str], key: str | None) -> None:
    check_key(key, load_settings(environment))


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({}, None),
        ({}, ""),
        ({}, "anything"),
        ({"SEGMENT_API_KEYS": " , "}, ""),
        (TWO, None),
        (TWO, ""),
        (TWO, "first-ke"),
        (TWO, "first-keys"),
        (TWO, "FIRST-KEY"),
        (TWO, "first-key,second-key"),
        (TWO, " first-key"),
        (TWO, "first-k\udce4y"),
        (TWO, "schlüssel"),
        (TWO | ANYONE, None),
        (TWO | ANYONE, "wrong"),
    ],
)
def test_keeps_out(environment: dict[str, str], key: str | None) -> None:
    with pytest.raises(AccessDenied):
        check_key(key, load_settings(environment))
