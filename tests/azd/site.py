"""The Function App: what is published, run by Microsoft's Functions host with the site's own settings."""

import io
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.azd.identity import MANAGEMENT, Entra
from tests.azd.messages import Answer, Call, answer_json, error
from tests.functions_host import Instance, functions_host
from tests.support import loopback
from tests.support.patience import wait_for

_REFERENCE = re.compile(
    r"@Microsoft\.KeyVault\(SecretUri=https://([\w-]+)\.vault\.azure\.net/secrets/([\w-]+)/?\)"
)
_NOT_PASSED_ON = {"transfer-encoding", "connection", "content-length", "keep-alive", "host"}


@dataclass(frozen=True)
class Published:
    """A package, and the call of the publishing endpoint that brought it, or the address it came from."""

    target: str
    zip_bytes: int
    folder: Path


@dataclass
class Site:
    """One app; `platform` is what an instance has of its own beside the settings."""

    entra: Entra
    folder: Path
    platform: Mapping[str, str] = field(default_factory=dict)
    read_secret: Callable[[str, str], str | None] = lambda _vault, _name: None
    """By vault and name, for the app's identity; None where it may not, or there is none."""
    name: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
    """The evaluated site."""
    published: list[Published] = field(default_factory=list)
    refreshed: int = 0
    resolved: bool = True
    """Whether the platform can resolve the references; a rehearsal may say that it cannot yet."""
    instance: Instance | None = None
    _starts: int = 0
    _at_work: list[Instance] = field(default_factory=list)
    """The instance of each call that runs."""
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _running: ExitStack = field(default_factory=ExitStack)
    _starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    """The host ends with the thread that has started it, so that is none which serves a call."""

    @property
    def settings(self) -> dict[str, str]:
        """As an instance has them: references resolved, or as they stand where that fails."""
        items = self.resource["properties"]["siteConfig"]["appSettings"]
        return {item["name"]: self._resolve(item["value"]) for item in items}

    def statuses(self) -> dict[str, str]:
        """Of each reference."""
        items = self.resource["properties"]["siteConfig"]["appSettings"]
        found = {item["name"]: item["value"] for item in items if _REFERENCE.fullmatch(item["value"])}
        return {
            name: "AccessToKeyVaultDenied" if self._resolve(value) == value else "Resolved"
            for name, value in found.items()
        }

    def refresh(self) -> None:
        """The platform resolves its references again; the app starts anew, as its update strategy says."""
        self.refreshed += 1
        self.resolved = True
        if not self.published:
            return
        config = self.resource["properties"]["functionAppConfig"]
        if config.get("siteUpdateStrategy", {}).get("type") == "RollingUpdate":
            self._roll()
        else:
            self.start()

    def start(self) -> None:
        """Run what was published last, with the settings of now."""
        self.serve(self.published[-1].folder, self.settings)

    def serve(self, app: Path, settings: Mapping[str, str]) -> None:
        """Run an app with these settings in place of what runs."""
        self.stop()
        self._run(app, settings)

    def _roll(self) -> None:
        """A new instance beside the old one, which ends with its last call.

        The old one stays when the new one does not start. Raises RuntimeError.
        """
        old, before, self._running = self._running, self.instance, ExitStack()
        try:
            self._run(self.published[-1].folder, self.settings, ready_status=200)
        except RuntimeError:
            self._running = old
            raise
        wait_for(lambda: not self._has_calls(before), 240)
        old.close()

    def _has_calls(self, instance: Instance | None) -> bool:
        with self._turn:
            return any(one is instance for one in self._at_work)

    def _run(self, app: Path, settings: Mapping[str, str], ready_status: int | None = None) -> None:
        self._starts += 1
        log = self.folder / f"host-{self._starts}.txt"
        host = functions_host(log, {**self.platform, **settings}, app, ready_status)
        self.instance = self._starter.submit(self._running.enter_context, host).result()

    def stop(self) -> None:
        self._running.close()
        self.instance = None

    def end(self) -> None:
        """Nothing is started any more."""
        self.stop()
        self._starter.shutdown()

    def answer(self, call: Call) -> Answer:
        """The app's own address."""
        with self._turn:  # a call is counted as soon as it has its instance, so that none is ended under it
            instance = self.instance
            if instance is None:
                return Answer(503 if self.name else 404, b"The service is unavailable.")
            self._at_work.append(instance)
        headers = {name: value for name, value in call.headers.items() if name not in _NOT_PASSED_ON}
        try:
            got = loopback.request(
                call.method,
                instance.url + call.target,
                headers={**headers, "host": call.host},
                content=call.body,
                patience_s=230,
            )
        except httpx.TransportError:
            return Answer(503, b"The service is unavailable.")
        finally:
            with self._turn:
                self._at_work.remove(instance)
        kept = {name: value for name, value in got.headers.items() if name.lower() not in _NOT_PASSED_ON}
        kept.pop("content-encoding", None)
        return Answer(got.status_code, got.content, kept)

    def publish(self, call: Call) -> Answer:
        """https://APP.scm.azurewebsites.net/api/publish, and the deployments it makes."""
        if self.entra.principal(call, *MANAGEMENT) is None:
            return error(401, "Unauthorized", "publishing wants a token")
        if call.method == "POST" and call.path == "/api/publish":
            self._deploy(call.body, call.target)
            return answer_json(f"deployment-{len(self.published)}", 202)
        if call.method == "GET" and call.path.startswith("/api/deployments/"):
            return answer_json(
                {"id": call.path.rpartition("/")[2], "status": 4, "complete": True, "active": True}
            )
        return error(404, "NotPlayed", str(call))

    def fetch(self, extension: Mapping[str, Any]) -> None:
        """The extension `onedeploy`: what lies at its address is run. Raises httpx.HTTPError."""
        given = extension["properties"]
        if given["remoteBuild"]:
            raise NotImplementedError("nothing is built here")
        got = loopback.get(given["packageUri"], patience_s=230).raise_for_status()
        self._deploy(got.content, given["packageUri"])

    def _deploy(self, package: bytes, target: str) -> None:
        folder = self.folder / f"package-{len(self.published) + 1}"
        with zipfile.ZipFile(io.BytesIO(package)) as opened:
            opened.extractall(folder)
        self.published.append(Published(target, len(package), folder))
        self.start()

    def _resolve(self, value: str) -> str:
        match = _REFERENCE.fullmatch(value)
        if match is None:
            return value
        secret = self.read_secret(match[1], match[2]) if self.resolved else None
        return value if secret is None else secret


@contextmanager
def site(entra: Entra, folder: Path) -> Iterator[Site]:
    """No app yet; stopped with the block."""
    app = Site(entra, folder)
    try:
        yield app
    finally:
        app.end()
