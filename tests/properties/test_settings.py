"""Settings: whatever stands in a variable, it means something or stops with the variable's name."""

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared_code.settings import Settings, SettingsError, load_settings
from tests.support.variables import documented_variables

VARIABLES = sorted(documented_variables())
WORDS = (
    *("", " ", "on", "off", "true", "FALSE", "gray", "0", "-1", "1e3", "٣", "65536", "9" * 5000),
    *("10.0.0.0/8", "::1/0"),
)

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
values = st.one_of(st.sampled_from(WORDS), st.integers(-10, 70_000).map(str), words)


def loaded(environment: Mapping[str, str]) -> Settings | str:
    """The settings, or what the process stops with."""
    try:
        return load_settings(environment)
    except SettingsError as error:
        return str(error)


@pytest.mark.parametrize("variable", VARIABLES)
@given(value=values)
def test_any_value_of_one(variable: str, value: str) -> None:
    outcome = loaded({variable: value})
    assert isinstance(outcome, Settings) or variable.partition("__")[0] in outcome


@given(st.dictionaries(st.sampled_from(VARIABLES), values))
def test_any_values_of_all(environment: dict[str, str]) -> None:
    outcome = loaded(environment)
    if isinstance(outcome, str):
        assert any(variable in outcome for variable in VARIABLES)
    else:
        assert max(outcome.slot_wait_s or 0, outcome.stall_s) < outcome.deadline_s
        assert outcome.cutout.input_container != outcome.cutout.output_container
        assert outcome.slots >= 1


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)
padding = st.sampled_from(("", "=", "=="))
keys = st.text(st.characters(codec="ascii", categories=("L", "N", "P"), exclude_characters=","), min_size=1)


@given(st.lists(keys, max_size=4), st.sampled_from((",", ", ", " ,, ")))
def test_keys_come_back(given_keys: list[str], separator: str) -> None:
    assume(not any(key.startswith("@Microsoft.KeyVault(") for key in given_keys))  # no secret
    loaded = load_settings({"SEGMENT_API_KEYS": separator.join(given_keys)}).api_keys
    assert [key.key for key in loaded] == given_keys
    assert [key.name for key in loaded] == [f"key-{number}" for number in range(1, 1 + len(given_keys))]


@given(st.dictionaries(names, st.tuples(keys, padding).map("".join), max_size=4))
def test_named_keys_come_back(given_keys: dict[str, str]) -> None:
    words = [f"{name}={key}" for name, key in given_keys.items()]
    loaded = load_settings({"SEGMENT_API_KEYS": ",".join(words)}).api_keys
    assert {key.name: key.key for key in loaded} == given_keys


@given(
    st.lists(st.ip_addresses().map(str), max_size=4),
    st.sets(st.integers(1, 65_535), min_size=1, max_size=5),
)
def test_networks_and_ports_come_back(addresses: list[str], ports: set[int]) -> None:
    settings = load_settings(
        {
            "SEGMENT_URL_ALLOWED_NETWORKS": ",".join(addresses),
            "SEGMENT_URL_ALLOWED_PORTS": ",".join(map(str, ports)),
        }
    )
    assert settings.url_allowed_networks == tuple(map(ip_network, addresses))
    assert settings.url_allowed_ports == ports


@given(keys.filter(lambda key: len(key) > 5))
def test_no_secret_is_printed(key: str) -> None:
    secret = f"secret-{key}"
    environment = {"SEGMENT_API_KEYS": secret, "CUTOUT_STORAGE": secret}
    environment |= {"APPLICATIONINSIGHTS_CONNECTION_STRING": secret}
    settings = load_settings(environment)
    assert secret not in f"{settings} {settings.cutout} {settings.telemetry}"
