"""Every setting, read from the environment once; nobody else reads the environment."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import count
from typing import Literal
from urllib.parse import urlsplit

from shared_code.encode.answer_formats import ANSWER_FORMATS, PNG, AnswerFormat
from shared_code.modes import Mode
from shared_code.picture import hevc
from shared_code.picture.formats import HEIC, MORE_FORMATS, Format, accepted

MAX_DEADLINE_S = 220
"""Below the 230 s in which Azure wants an HTTP answer, and below `functionTimeout` in host.json."""

NOT_FOR_PICTURES_MB = 968
"""Of an instance: for host, worker and the default network ("Memory of an instance" in docs/hosting.md)."""
_BUDGET_MB = 1080

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
"""Of a caller, in records."""
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PRINCIPAL = re.compile(r"[A-Za-z0-9._-]{1,120}")
"""An object id or the value of an app role."""

type IPAddress = IPv4Address | IPv6Address
type IPNetwork = IPv4Network | IPv6Network
type MattePng = Literal["gray", "indexed"]
type EdgeColour = Literal["foreground", "source"]


class SettingsError(ValueError):
    """A setting has an invalid value; the message names the variable and the valid values."""


@dataclass(frozen=True)
class ApiKey:
    """A key that callers may use, and its name, which is for records and no secret."""

    name: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class EntraCaller:
    """Who may sign in: the object id of a principal, or an app role; `name` is for records."""

    name: str
    principal: str


@dataclass(frozen=True)
class EntraSettings:
    """Sign-in with Microsoft Entra ID: the tenant, who may, and the ids of one's own app registrations."""

    tenant: str
    authority: str
    app_ids: tuple[str, ...]
    callers: tuple[EntraCaller, ...]

    @property
    def url(self) -> str:
        """Of the tenant."""
        return f"{self.authority}/{self.tenant}"

    @property
    def port(self) -> int:
        """Where the authority listens."""
        parts = urlsplit(self.authority)
        return parts.port or (443 if parts.scheme == "https" else 80)


@dataclass(frozen=True)
class StorageConnection:
    """The connection `CUTOUT_STORAGE` as the Functions host reads it: a string, or a managed identity.

    With an identity the string is empty; an empty `client_id` means the system-assigned one.
    """

    connection_string: str = field(repr=False)
    blob_service_uri: str
    queue_service_uri: str
    client_id: str


@dataclass(frozen=True)
class CutoutSettings:
    """Cut-outs for every blob; without a `storage` there are none."""

    storage: StorageConnection | None
    queue: str
    input_container: str
    output_container: str
    mode: Mode
    format: AnswerFormat = PNG


@dataclass(frozen=True)
class TelemetrySettings:
    """Where spans and metrics go; empty means nowhere."""

    connection_string: str = field(repr=False)
    otlp_endpoint: str


@dataclass(frozen=True)
class Settings:
    """The app settings of docs/settings.md, parsed. Secrets stay out of the printed form.

    `formats`: those of which files are accepted. Where no `slot_wait_s` is set, the network decides; an
    `instance_mb` of 0 is not known. `qualities`: of the colours, 1 to 100, by the name of each format of the
    answer that has one.
    """

    api_keys: tuple[ApiKey, ...]
    keys: bool
    entra: EntraSettings | None
    gateway: str
    allow_anonymous: bool
    host: IPAddress
    region: str
    model: str
    models_in_memory: int
    formats: tuple[Format, ...]
    matte_png: MattePng
    edge_colour: EdgeColour
    qualities: Mapping[str, int]
    slots: int
    slot_wait_s: float | None
    deadline_s: float
    stall_s: float
    instance_mb: int
    memory_budget_mb: int
    url_input: bool
    url_allowed_networks: tuple[IPNetwork, ...]
    url_allowed_ports: frozenset[int]
    cutout: CutoutSettings
    telemetry: TelemetrySettings

    def __repr__(self) -> str:
        return f"Settings(model={self.model!r}, keys={len(self.api_keys)}, slots={self.slots})"


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read all settings from `environment`. Raises SettingsError on the first one that is malformed."""
    read = _Reader(environment)
    instance_mb = read("SEGMENT_INSTANCE_MB", "0", _instance)
    budget_mb = instance_mb - NOT_FOR_PICTURES_MB if instance_mb else _BUDGET_MB
    settings = Settings(
        api_keys=_api_keys(read),
        keys=read("SEGMENT_KEYS", "on", _choice("on", "off")) == "on",
        entra=_entra_settings(read),
        gateway=read("SEGMENT_GATEWAY", "", str.strip),
        allow_anonymous=read("SEGMENT_ALLOW_ANONYMOUS", "false", _boolean),
        host=read("SEGMENT_HOST", "127.0.0.1", _address),
        region=read("SEGMENT_REGION", "", str.strip),
        model=read("SEGMENT_MODEL", "", str.strip),
        models_in_memory=read("SEGMENT_MODELS_IN_MEMORY", "2", _integer(2, 16)),
        formats=accepted(read("SEGMENT_MORE_FORMATS", "", _more_formats)),
        matte_png=read("SEGMENT_MATTE_PNG", "gray", _choice("gray", "indexed")),
        edge_colour=read("SEGMENT_EDGE_COLOUR", "foreground", _choice("foreground", "source")),
        qualities={
            row.name: read(f"SEGMENT_{row.name.upper()}_QUALITY", str(row.whole.quality), _integer(1, 100))
            for row in ANSWER_FORMATS
            if row.whole
        },
        slots=read("SEGMENT_SLOTS", "0", _integer(0, 64)) or (os.process_cpu_count() or 1),
        slot_wait_s=read("SEGMENT_SLOT_WAIT_S", "", _or_none(_integer(0, 200))),
        deadline_s=read("SEGMENT_DEADLINE_S", "210", _integer(10, MAX_DEADLINE_S)),
        stall_s=read("SEGMENT_STALL_S", "30", _integer(1, MAX_DEADLINE_S)),
        instance_mb=instance_mb,
        memory_budget_mb=read("SEGMENT_MEMORY_BUDGET_MB", str(budget_mb), _integer(64, 65_536)),
        url_input=read("SEGMENT_URL_INPUT", "on", _choice("on", "off")) == "on",
        url_allowed_networks=read("SEGMENT_URL_ALLOWED_NETWORKS", "", _networks),
        url_allowed_ports=read("SEGMENT_URL_ALLOWED_PORTS", "80,443", _ports),
        cutout=_cutout_settings(read),
        telemetry=TelemetrySettings(
            connection_string=read("APPLICATIONINSIGHTS_CONNECTION_STRING", "", str.strip),
            otlp_endpoint=read("OTEL_EXPORTER_OTLP_ENDPOINT", "", str.strip),
        ),
    )
    if settings.allow_anonymous and not settings.host.is_loopback:
        raise SettingsError(
            "SEGMENT_ALLOW_ANONYMOUS: allowed only if SEGMENT_HOST is a loopback address, "
            f"and it is {settings.host}"
        )
    if settings.gateway and settings.gateway not in _caller_names(settings):
        raise SettingsError("SEGMENT_GATEWAY: must be the name of a key or of one of SEGMENT_ENTRA_CALLERS")
    for name, seconds in (("SLOT_WAIT", settings.slot_wait_s), ("STALL", settings.stall_s)):
        if seconds is not None and seconds >= settings.deadline_s:
            raise SettingsError(
                f"SEGMENT_{name}_S: {seconds} seconds are never reached, "
                f"since SEGMENT_DEADLINE_S ends every call after {settings.deadline_s}"
            )
    return settings


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__[T](self, name: str, default: str, parse: Callable[[str], T]) -> T:
        value = self._environment.get(name, default)
        try:
            return parse(value if value.strip() else default)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from None


def _cutout_settings(read: _Reader) -> CutoutSettings:
    cutout = CutoutSettings(
        storage=_storage_connection(read),
        # The host adds "-poison" to make the name of the queue for what it gives up.
        queue=read("CUTOUT_QUEUE", "cutout-events", _resource_name(63 - len("-poison"))),
        input_container=read("CUTOUT_INPUT_CONTAINER", "uploads", _resource_name(63)),
        output_container=read("CUTOUT_OUTPUT_CONTAINER", "cutouts", _resource_name(63)),
        mode=read("CUTOUT_MODE", "backgroundRemoval", _choice(*Mode)),
        format=read("CUTOUT_FORMAT", PNG.name, _format),
    )
    if cutout.input_container == cutout.output_container:
        raise SettingsError(
            "CUTOUT_OUTPUT_CONTAINER: must differ from CUTOUT_INPUT_CONTAINER, "
            "otherwise cut-outs would be cut out again"
        )
    return cutout


def _storage_connection(read: _Reader) -> StorageConnection | None:
    connection = StorageConnection(
        connection_string=read("CUTOUT_STORAGE", "", str.strip),
        blob_service_uri=read("CUTOUT_STORAGE__blobServiceUri", "", str.strip),
        queue_service_uri=read("CUTOUT_STORAGE__queueServiceUri", "", str.strip),
        client_id=read("CUTOUT_STORAGE__clientId", "", str.strip),
    )
    read("CUTOUT_STORAGE__credential", "managedidentity", _choice("managedidentity"))
    if connection.connection_string:
        return connection
    if bool(connection.blob_service_uri) != bool(connection.queue_service_uri):
        raise SettingsError(
            "CUTOUT_STORAGE__blobServiceUri and CUTOUT_STORAGE__queueServiceUri: set both or neither"
        )
    return connection if connection.blob_service_uri else None


def _words(value: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in value.split(",")) if word)


def _api_keys(read: _Reader) -> tuple[ApiKey, ...]:
    """All keys: those of the vault are named key-1 and key-2, others without a name follow them."""
    found = list(read("SEGMENT_API_KEYS", "", _keys))
    for number in (1, 2):
        keys = list(read(f"SEGMENT_API_KEY_{number}", "", _keys))
        found += [_named(key, f"key-{number}") for key in keys[:1]] + keys[1:]
    names = Counter(key.name for key in found if key.name)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise SettingsError(f"SEGMENT_API_KEYS: more than one key has the name {twice[0]}")
    numbered = (name for name in map("key-{}".format, count(1)) if name not in names)
    return tuple(key if key.name else _named(key, next(numbered)) for key in found)


def _caller_names(settings: Settings) -> set[str]:
    """Of all who can get in, and can be told apart."""
    names = {key.name for key in settings.api_keys} if settings.keys else set()
    return names | ({caller.name for caller in settings.entra.callers} if settings.entra else set())


def is_caller_name(value: str) -> bool:
    """Whether callers can be called that."""
    return _NAME.fullmatch(value) is not None


def _entra_settings(read: _Reader) -> EntraSettings | None:
    entra = EntraSettings(
        tenant=read("SEGMENT_ENTRA_TENANT", "", _guid),
        authority=read("SEGMENT_ENTRA_AUTHORITY", "https://login.microsoftonline.com", _authority),
        app_ids=read("SEGMENT_ENTRA_APP_IDS", "", lambda value: tuple(map(_guid, _words(value)))),
        callers=read("SEGMENT_ENTRA_CALLERS", "", lambda value: tuple(map(_entra_caller, _words(value)))),
    )
    if not entra.tenant and (entra.app_ids or entra.callers):
        raise SettingsError(
            "SEGMENT_ENTRA_TENANT: must be set where SEGMENT_ENTRA_APP_IDS or SEGMENT_ENTRA_CALLERS is"
        )
    return entra if entra.tenant else None


def _guid(value: str) -> str:
    found = value.strip().lower()
    if found and not _GUID.fullmatch(found):
        raise ValueError("must be of the form 00000000-0000-0000-0000-000000000000")
    return found


def _authority(value: str) -> str:
    """An address without a path: https, or http on this machine, for tests."""
    address = value.strip().rstrip("/")
    parts = urlsplit(address)
    if (parts.scheme != "https" and parts.hostname != "127.0.0.1") or not parts.hostname or parts.path:
        raise ValueError("must be an address such as https://login.microsoftonline.com")
    return address


def _entra_caller(word: str) -> EntraCaller:
    """`name=principal`, or a principal alone, which then is its name too."""
    name, found, principal = word.rpartition("=")
    name, principal = name.strip(), principal.strip()
    if not _PRINCIPAL.fullmatch(principal) or (found and not _NAME.fullmatch(name)):
        raise ValueError("must be object ids or app roles, each alone or as name=id")
    return EntraCaller(name or principal, principal)


def _named(key: ApiKey, name: str) -> ApiKey:
    return key if key.name else ApiKey(name, key.key)


def _keys(value: str) -> tuple[ApiKey, ...]:
    """Keys; never the text of a reference, which is no secret and would let in who knows the vault's name.

    The platform leaves it in place of the secret when it cannot resolve it ("Use Key Vault references as app
    settings", Microsoft Learn).
    """
    words = _words(value)
    if any("@Microsoft.KeyVault(" in word for word in words):
        raise ValueError("is a Key Vault reference that the platform has not resolved")
    return tuple(_key(word) for word in words)


def _key(word: str) -> ApiKey:
    """`name=key`, or a key alone; the = at the end of a key in base64 is its own."""
    name, _, key = word.partition("=")
    if not key.strip("="):
        return ApiKey("", word)
    if not _NAME.fullmatch(name.strip()):
        raise ValueError(
            "the name before a = must have 1 to 32 letters, digits, hyphens, dots and underscores"
        )
    return ApiKey(name.strip(), key.strip())


def _boolean(value: str) -> bool:
    return _choice("true", "false")(value.lower()) == "true"


def _choice[T: str](*choices: T) -> Callable[[str], T]:
    def parse(value: str) -> T:
        for choice in choices:
            if value.strip() == choice:
                return choice
        raise ValueError(f"must be one of {', '.join(choices)}")

    return parse


def _format(value: str) -> AnswerFormat:
    names = [row.name for row in ANSWER_FORMATS]
    return ANSWER_FORMATS[names.index(_choice(*names)(value))]


def _more_formats(value: str) -> tuple[Format, ...]:
    rows = {row.name.lower(): row for row in MORE_FORMATS}
    chosen = tuple(rows[_choice(*rows)(word.lower())] for word in _words(value))
    if HEIC in chosen and not hevc.is_installed():
        raise ValueError("heic needs the package pi-heif, see requirements-heic.txt")
    return chosen


def _resource_name(most: int) -> Callable[[str], str]:
    """A container or queue, by the naming rules of the Blob and Queue service REST references."""

    def parse(value: str) -> str:
        name = value.strip()
        if not 3 <= len(name) <= most or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ValueError(
                f"must be 3 to {most} lower-case letters, digits and single hyphens between them"
            )
        return name

    return parse


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.strip().isdecimal() or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return parse


def _address(value: str) -> IPAddress:
    return ip_address(value.strip())


def _or_none[T](parse: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda value: parse(value) if value else None


def _instance(value: str) -> int:
    """0, or memory that leaves something for pictures."""
    return 0 if value.strip() == "0" else _integer(NOT_FOR_PICTURES_MB + 64, 65_536)(value)


def _networks(value: str) -> tuple[IPNetwork, ...]:
    return tuple(ip_network(word) for word in _words(value))


def _ports(value: str) -> frozenset[int]:
    return frozenset(_integer(1, 65_535)(word) for word in _words(value))


def loader_environment() -> dict[str, str]:
    """What another Python needs of the environment to start: where its libraries are, and nothing else."""
    names = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1"}
