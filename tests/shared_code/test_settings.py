import json
import os
from ipaddress import ip_address, ip_network
from operator import attrgetter

import pytest

from shared_code.encode.answer_formats import PNG, WEBP
from shared_code.modes import Mode
from shared_code.picture import hevc
from shared_code.picture.formats import AVIF, FORMATS, HEIC
from shared_code.settings import (
    MAX_DEADLINE_S,
    ApiKey,
    CutoutSettings,
    EntraCaller,
    Settings,
    SettingsError,
    StorageConnection,
    TelemetrySettings,
    load_settings,
)
from tests.support.hosts import PROJECT
from tests.support.variables import documented_variables

DEFAULTS = Settings(
    api_keys=(),
    keys=True,
    entra=None,
    gateway="",
    allow_anonymous=False,
    host=ip_address("127.0.0.1"),
    region="",
    model="",
    models_in_memory=2,
    formats=FORMATS,
    matte_png="gray",
    edge_colour="foreground",
    qualities={"webp": 80, "avif": 60},
    slots=os.process_cpu_count() or 1,
    slot_wait_s=None,
    deadline_s=210,
    stall_s=30,
    instance_mb=0,
    memory_budget_mb=1080,
    url_input=True,
    url_allowed_networks=(),
    url_allowed_ports=frozenset((80, 443)),
    cutout=CutoutSettings(None, "cutout-events", "uploads", "cutouts", Mode.BACKGROUND_REMOVAL, PNG),
    telemetry=TelemetrySettings("", ""),
)


def test_defaults() -> None:
    assert load_settings({}) == DEFAULTS


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SEGMENT_API_KEYS": "app=secret"},
        {"SEGMENT_API_KEYS": "gateway=secret", "SEGMENT_KEYS": "off"},
    ],
)
def test_a_gateway_is_a_caller(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^SEGMENT_GATEWAY: must be the name of a key"):
        load_settings(environment | {"SEGMENT_GATEWAY": "gateway"})
    assert load_settings({"SEGMENT_API_KEYS": "g=secret", "SEGMENT_GATEWAY": "g"}).gateway == "g"


def test_empty_or_blank_is_the_default() -> None:
    assert load_settings(dict.fromkeys(documented_variables(), "")) == DEFAULTS
    assert load_settings(dict.fromkeys(documented_variables(), " ")) == DEFAULTS


READ = [
    # variable, value, field, parsed
    ("SEGMENT_API_KEYS", "one", "api_keys", (ApiKey("key-1", "one"),)),
    ("SEGMENT_API_KEYS", " one, two ,,", "api_keys", (ApiKey("key-1", "one"), ApiKey("key-2", "two"))),
    ("SEGMENT_API_KEYS", "two==, a.b = x=", "api_keys", (ApiKey("key-1", "two=="), ApiKey("a.b", "x="))),
    ("SEGMENT_API_KEYS", "key-1=x,y", "api_keys", (ApiKey("key-1", "x"), ApiKey("key-2", "y"))),
    ("SEGMENT_API_KEYS", ",", "api_keys", ()),
    ("SEGMENT_API_KEY_1", " one ", "api_keys", (ApiKey("key-1", "one"),)),
    ("SEGMENT_API_KEY_2", "two", "api_keys", (ApiKey("key-2", "two"),)),
    ("SEGMENT_API_KEY_2", "two,three", "api_keys", (ApiKey("key-2", "two"), ApiKey("key-1", "three"))),
    ("SEGMENT_API_KEY_2", "shop=two", "api_keys", (ApiKey("shop", "two"),)),
    ("SEGMENT_KEYS", "off", "keys", False),
    ("SEGMENT_ALLOW_ANONYMOUS", "true", "allow_anonymous", True),
    ("SEGMENT_ALLOW_ANONYMOUS", " TRUE ", "allow_anonymous", True),
    ("SEGMENT_ALLOW_ANONYMOUS", "False", "allow_anonymous", False),
    ("SEGMENT_HOST", " 0.0.0.0 ", "host", ip_address("0.0.0.0")),
    ("SEGMENT_HOST", "::1", "host", ip_address("::1")),
    ("SEGMENT_REGION", " westeurope ", "region", "westeurope"),
    ("SEGMENT_MODEL", "u2netp", "model", "u2netp"),
    ("SEGMENT_MODELS_IN_MEMORY", "16", "models_in_memory", 16),
    ("SEGMENT_MORE_FORMATS", "avif", "formats", (*FORMATS, AVIF)),
    ("SEGMENT_MORE_FORMATS", " HEIC, avif,", "formats", (*FORMATS, AVIF, HEIC)),
    ("SEGMENT_MATTE_PNG", "indexed", "matte_png", "indexed"),
    ("SEGMENT_EDGE_COLOUR", "source", "edge_colour", "source"),
    ("SEGMENT_SLOTS", " 3 ", "slots", 3),
    ("SEGMENT_SLOT_WAIT_S", "0", "slot_wait_s", 0),
    ("SEGMENT_MEMORY_BUDGET_MB", "65536", "memory_budget_mb", 65_536),
    ("SEGMENT_INSTANCE_MB", "4096", "instance_mb", 4096),
    ("SEGMENT_INSTANCE_MB", "4096", "memory_budget_mb", 3128),
    ("SEGMENT_URL_INPUT", "off", "url_input", False),
    (
        "SEGMENT_URL_ALLOWED_NETWORKS",
        "10.1.0.0/16, fd00::/8,127.0.0.1",
        "url_allowed_networks",
        (ip_network("10.1.0.0/16"), ip_network("fd00::/8"), ip_network("127.0.0.1/32")),
    ),
    ("SEGMENT_URL_ALLOWED_PORTS", "443, 8443", "url_allowed_ports", frozenset((443, 8443))),
    ("CUTOUT_QUEUE", " a-1 ", "cutout.queue", "a-1"),
    ("CUTOUT_QUEUE", "q" * 56, "cutout.queue", "q" * 56),
    ("CUTOUT_INPUT_CONTAINER", "i" * 63, "cutout.input_container", "i" * 63),
    ("CUTOUT_OUTPUT_CONTAINER", "0-0", "cutout.output_container", "0-0"),
    ("SEGMENT_WEBP_QUALITY", "100", "qualities", {"webp": 100, "avif": 60}),
    ("SEGMENT_AVIF_QUALITY", " 1", "qualities", {"webp": 80, "avif": 1}),
    ("CUTOUT_FORMAT", "webp", "cutout.format", WEBP),
    ("CUTOUT_MODE", "foregroundMatting", "cutout.mode", "foregroundMatting"),
    ("CUTOUT_STORAGE", "Key=x;", "cutout.storage", StorageConnection("Key=x;", "", "", "")),
]


@pytest.mark.parametrize(("variable", "value", "field", "parsed"), READ)
def test_reads(variable: str, value: str, field: str, parsed: object) -> None:
    assert attrgetter(field)(load_settings({variable: value})) == parsed


def test_heic_needs_its_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hevc, "is_installed", lambda: False)
    assert load_settings({"SEGMENT_MORE_FORMATS": "avif"}).formats == (*FORMATS, AVIF)
    with pytest.raises(SettingsError, match="needs the package pi-heif"):
        load_settings({"SEGMENT_MORE_FORMATS": "heic"})


TENANT = "0a1b2c3d-0000-4000-8000-00000000000f"


def test_sign_in() -> None:
    entra = load_settings(
        {
            "SEGMENT_ENTRA_TENANT": TENANT.upper(),
            "SEGMENT_ENTRA_CALLERS": f"shop={TENANT}, Segment.Call",
            "SEGMENT_ENTRA_APP_IDS": TENANT,
            "SEGMENT_ENTRA_AUTHORITY": "https://login.microsoftonline.us/",
        }
    ).entra
    assert entra is not None
    assert entra.url == f"https://login.microsoftonline.us/{TENANT}"
    assert entra.app_ids == (TENANT,)
    assert entra.callers == (EntraCaller("shop", TENANT), EntraCaller("Segment.Call", "Segment.Call"))


@pytest.mark.parametrize(
    ("authority", "port"),
    [
        ("https://login.microsoftonline.us", 443),
        ("https://login.example:8443", 8443),
        ("http://127.0.0.1", 80),
        ("http://127.0.0.1:8080", 8080),
    ],
)
def test_port_of_the_authority(authority: str, port: int) -> None:
    entra = load_settings({"SEGMENT_ENTRA_TENANT": TENANT, "SEGMENT_ENTRA_AUTHORITY": authority}).entra
    assert entra is not None
    assert entra.port == port


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SEGMENT_KEYS", "false"),
        ("SEGMENT_ENTRA_TENANT", "contoso.onmicrosoft.com"),
        ("SEGMENT_ENTRA_AUTHORITY", "http://login.microsoftonline.com"),
        ("SEGMENT_ENTRA_AUTHORITY", "https://login.microsoftonline.com/common"),
        ("SEGMENT_ENTRA_APP_IDS", "api://x"),
        ("SEGMENT_ENTRA_CALLERS", "a b"),
        ("SEGMENT_ENTRA_CALLERS", "my shop=x"),
    ],
)
def test_sign_in_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load_settings({"SEGMENT_ENTRA_TENANT": TENANT, variable: value})


def test_callers_need_a_tenant() -> None:
    with pytest.raises(SettingsError, match=r"^SEGMENT_ENTRA_TENANT: "):
        load_settings({"SEGMENT_ENTRA_CALLERS": "Segment.Call"})


BLOB, QUEUE = "https://a.blob.core.windows.net", "https://a.queue.core.windows.net"
IDENTITY = {"CUTOUT_STORAGE__blobServiceUri": BLOB, "CUTOUT_STORAGE__queueServiceUri": QUEUE}


@pytest.mark.parametrize(
    ("environment", "storage"),
    [
        (IDENTITY, StorageConnection("", BLOB, QUEUE, "")),
        (IDENTITY | {"CUTOUT_STORAGE__clientId": "id"}, StorageConnection("", BLOB, QUEUE, "id")),
        (
            IDENTITY | {"CUTOUT_STORAGE__credential": "managedidentity"},
            StorageConnection("", BLOB, QUEUE, ""),
        ),
        ({"CUTOUT_STORAGE__clientId": "id"}, None),
    ],
)
def test_storage_by_identity(environment: dict[str, str], storage: StorageConnection | None) -> None:
    assert load_settings(environment).cutout.storage == storage


@pytest.mark.parametrize("variable", IDENTITY)
def test_storage_needs_both_addresses(variable: str) -> None:
    with pytest.raises(SettingsError, match="set both or neither"):
        load_settings({variable: IDENTITY[variable]})


@pytest.mark.parametrize("variable", ["SEGMENT_SLOT_WAIT_S", "SEGMENT_STALL_S"])
def test_no_wait_is_longer_than_a_call_may_take(variable: str) -> None:
    assert (
        load_settings({"SEGMENT_STALL_S": "9", variable: "19", "SEGMENT_DEADLINE_S": "20"}).deadline_s == 20
    )
    with pytest.raises(SettingsError, match=f"^{variable}: 20 seconds are never reached"):
        load_settings({"SEGMENT_STALL_S": "9", variable: "20", "SEGMENT_DEADLINE_S": "20"})


def test_a_call_ends_before_the_platform_ends_it() -> None:
    hours, minutes, seconds = json.loads((PROJECT / "host.json").read_text())["functionTimeout"].split(":")
    function_timeout_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    assert MAX_DEADLINE_S + 10 <= 230  # Azure's limit for an HTTP answer
    assert function_timeout_s >= MAX_DEADLINE_S + 240 + 60  # the host's own patience with who does not read


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_may_call_without_a_key(host: str) -> None:
    assert load_settings({"SEGMENT_ALLOW_ANONYMOUS": "true", "SEGMENT_HOST": host}).allow_anonymous


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "fe80::1", "::ffff:10.0.0.1"])
def test_no_other_machine_may_call_without_a_key(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^SEGMENT_ALLOW_ANONYMOUS: allowed only if SEGMENT_HOST is"):
        load_settings({"SEGMENT_ALLOW_ANONYMOUS": "true", "SEGMENT_HOST": host})


def test_cutouts_are_not_written_where_pictures_are_read() -> None:
    with pytest.raises(SettingsError, match=r"^CUTOUT_OUTPUT_CONTAINER: must differ"):
        load_settings({"CUTOUT_OUTPUT_CONTAINER": "uploads"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SEGMENT_API_KEYS", "one,@Microsoft.KeyVault(VaultName=kv;SecretName=a)"),
        ("SEGMENT_API_KEY_1", "@Microsoft.KeyVault(SecretUri=https://kv.example/secrets/a/)"),
        ("SEGMENT_API_KEYS", "shop=@Microsoft.KeyVault(SecretUri=https://kv.example/secrets/a/)"),
        ("SEGMENT_API_KEYS", "shop=one,shop=two"),
        ("SEGMENT_API_KEYS", "my shop=one"),
        ("SEGMENT_API_KEYS", "=one"),
        ("SEGMENT_API_KEYS", f"{'n' * 33}=one"),
        ("SEGMENT_ALLOW_ANONYMOUS", "yes"),
        ("SEGMENT_HOST", "localhost"),
        ("SEGMENT_HOST", "0.0.0.0:80"),
        ("SEGMENT_ALLOW_ANONYMOUS", "1"),
        ("SEGMENT_MORE_FORMATS", "jxl"),
        ("SEGMENT_MORE_FORMATS", "avif;heic"),
        ("SEGMENT_MATTE_PNG", "grey"),
        ("SEGMENT_EDGE_COLOUR", "Source"),
        ("SEGMENT_SLOTS", "1.5"),
        ("SEGMENT_SLOTS", "+1"),
        ("SEGMENT_SLOTS", "1_0"),
        ("SEGMENT_INSTANCE_MB", "2 GB"),
        ("SEGMENT_MEMORY_BUDGET_MB", "1e3"),
        ("SEGMENT_URL_INPUT", "false"),
        ("SEGMENT_URL_ALLOWED_NETWORKS", "10.1.2.3/16"),
        ("SEGMENT_URL_ALLOWED_NETWORKS", "example.com"),
        ("CUTOUT_QUEUE", "q" * 57),
        ("CUTOUT_QUEUE", "Queue"),
        ("CUTOUT_INPUT_CONTAINER", "ab"),
        ("CUTOUT_INPUT_CONTAINER", "i" * 64),
        ("CUTOUT_INPUT_CONTAINER", "a--b"),
        ("CUTOUT_OUTPUT_CONTAINER", "-ab"),
        ("CUTOUT_OUTPUT_CONTAINER", "$web"),
        ("CUTOUT_MODE", "backgroundremoval"),
        ("CUTOUT_FORMAT", "jpeg"),
        ("CUTOUT_FORMAT", "WEBP"),
        ("CUTOUT_STORAGE__credential", "workloadidentity"),
    ],
)
def test_refuses_and_names_the_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load_settings({variable: value})


BOUNDS = [
    # variable, least, most
    ("SEGMENT_MODELS_IN_MEMORY", 2, 16),
    ("SEGMENT_WEBP_QUALITY", 1, 100),
    ("SEGMENT_AVIF_QUALITY", 1, 100),
    ("SEGMENT_SLOTS", 0, 64),
    ("SEGMENT_SLOT_WAIT_S", 0, 200),
    ("SEGMENT_DEADLINE_S", 10, 220),
    ("SEGMENT_STALL_S", 1, 219),
    ("SEGMENT_INSTANCE_MB", 1032, 65_536),
    ("SEGMENT_MEMORY_BUDGET_MB", 64, 65_536),
    ("SEGMENT_URL_ALLOWED_PORTS", 1, 65_535),
]


@pytest.mark.parametrize(("variable", "least", "most"), BOUNDS)
def test_numbers_have_bounds(variable: str, least: int, most: int) -> None:
    others = {"SEGMENT_DEADLINE_S": "220", "SEGMENT_STALL_S": "1"}
    for number in (least, most):
        load_settings(others | {variable: str(number)})
    for number in (least - 1, most + 1):
        with pytest.raises(SettingsError, match=f"^{variable}: "):
            load_settings(others | {variable: str(number)})


def test_documented_variables_are_those_that_are_read() -> None:
    asked: list[str] = []

    class Recorder(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked.append(name)
            return default

    load_settings(Recorder())
    variables = documented_variables()
    assert list(variables) == asked
    assert load_settings(variables) == DEFAULTS
    assert {variable for variable, *_ in READ} | IDENTITY.keys() <= variables.keys()
    prefixes = ("SEGMENT_", "CUTOUT_", "APPLICATIONINSIGHTS_", "OTEL_")
    assert all(variable.startswith(prefixes) for variable in variables)


def test_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_REGION", "northeurope")
    assert load_settings().region == "northeurope"


def test_printed_form_hides_secrets() -> None:
    settings = load_settings({"SEGMENT_API_KEYS": "secret-a,secret-b", "CUTOUT_STORAGE": "AccountKey=secret"})
    assert "secret" not in repr(settings) + repr(settings.cutout) + repr(settings.cutout.storage)
    assert "keys=2" in f"{settings}"
