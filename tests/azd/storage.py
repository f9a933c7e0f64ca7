"""The storage account: Azurite behind the account's own name, by identity alone, with its events."""

import base64
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from local_host.events import NewBlob, blob_created, queue_message
from tests.azd.certificates import Authority
from tests.azd.identity import Entra
from tests.azd.messages import Answer, Call, error
from tests.support.azurite import MAIN
from tests.support.hosts import free_port
from tests.support.patience import PATIENCE_S, wait_for

AUDIENCE = "https://storage.azure.com"
_VERSION = {"x-ms-version": "2024-11-04"}
_NOT_PASSED_ON = {"transfer-encoding", "connection", "content-length", "keep-alive"}


@dataclass
class Storage:
    """One account; it is there when a deployment has made it."""

    entra: Entra
    authority: Authority
    folder: Path
    subscription: Mapping[str, Any] = field(default_factory=dict)
    """The evaluated Event Grid subscription."""
    _process: subprocess.Popen[bytes] | None = None
    _ports: Mapping[str, int] = field(default_factory=dict)
    _account: str = ""

    def make(self, account: str, containers: list[str], queues: list[str]) -> None:
        """Have the account with these, if it is not there yet."""
        if self._process is None:
            self._start(account)
        for name in containers:
            self._made(f"{account}.blob.core.windows.net", f"/{name}?restype=container")
        for name in queues:
            self._made(f"{account}.queue.core.windows.net", f"/{name}")

    def answer(self, call: Call) -> Answer:
        """What Azurite answers."""
        name, kind = call.host.split(".")[:2]
        if name != self._account or kind not in self._ports:
            return error(404, "ResourceNotFound", f"There is no account {call.host}.")
        answer = self._passed_on(call, self._ports[kind])
        if kind == "blob" and answer.status == httpx.codes.CREATED and call.method == "PUT":
            self._tell_of(call)
        return answer

    def end(self) -> None:
        """The account is deleted."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
        self._process, self._account, self._ports = None, "", {}

    def _start(self, account: str) -> None:
        node = shutil.which("node")
        assert node is not None
        folder = self.folder / f"{account}-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        certificate, key = self.authority.write(f"{account}.blob.core.windows.net", folder)
        ports = {kind: free_port() for kind in ("blob", "queue", "table")}
        listen = [part for kind, port in ports.items() for part in (f"--{kind}Port", str(port))]
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
        sign_in = ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
        # A key that nobody is told: all calls come with tokens.
        accounts = f"{account}:{base64.b64encode(secrets.token_bytes(64)).decode()}"
        with (folder / "log.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [node, MAIN, *options, *sign_in, *listen],
                env={"AZURITE_ACCOUNTS": accounts, "PATH": "/usr/bin:/bin"},
                cwd=folder,
                stdout=output,
                stderr=output,
            )
        self._ports, self._account = ports, account
        self._wait()

    def _wait(self) -> None:
        for kind in ("blob", "queue"):
            wait_for(partial(_answers, self._ports[kind]))

    def _made(self, host: str, target: str) -> None:
        answer = self.answer(Call("PUT", host, target, self._headers({}), b""))
        if answer.status not in (httpx.codes.CREATED, httpx.codes.CONFLICT, httpx.codes.NO_CONTENT):
            raise RuntimeError(f"{host}{target}: {answer.status} {answer.body.decode()}")

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        token = self.entra.token(AUDIENCE, str(uuid.UUID(int=0)))
        return {"authorization": f"Bearer {token}", **_VERSION, **more}

    def _passed_on(self, call: Call, port: int) -> Answer:
        headers = {name: value for name, value in call.headers.items() if name not in _NOT_PASSED_ON}
        headers["host"] = call.host
        with httpx.Client(verify=False, trust_env=False, timeout=PATIENCE_S) as client:
            request = client.build_request(
                call.method, f"https://127.0.0.1:{port}{call.target}", headers=headers, content=call.body
            )
            with_body = client.send(request, stream=True)
            body = b"".join(with_body.iter_raw())
        kept = {
            name: value for name, value in with_body.headers.items() if name.lower() not in _NOT_PASSED_ON
        }
        if call.method == "HEAD" and "content-length" in with_body.headers:
            kept["Content-Length"] = with_body.headers["content-length"]
        return Answer(with_body.status_code, body, kept)

    def _tell_of(self, call: Call) -> None:
        """Event Grid: a message for each new blob that the evaluated subscription asks for."""
        _, container, *rest = call.path.split("/")
        name = "/".join(rest)
        wanted = call.query.get("comp", "blocklist") == "blocklist" and name
        if not wanted or not self.subscription:
            return
        subject = f"/blobServices/default/containers/{container}/blobs/{name}"
        if not subject.startswith(self.subscription["filter"]["subjectBeginsWith"]):
            return
        head = self.answer(Call("HEAD", call.host, call.target.partition("?")[0], self._headers({}), b""))
        told = {key.lower(): value for key, value in head.headers.items()}
        blob = NewBlob(
            f"https://{call.host}",
            self._account,
            container,
            name,
            told["etag"],
            int(told["content-length"]),
            told.get("content-type", ""),
        )
        queue = self.subscription["deliveryWithResourceIdentity"]["destination"]["properties"]["queueName"]
        text = queue_message(blob_created(blob))
        body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        host = f"{self._account}.queue.core.windows.net"
        self.answer(Call("POST", host, f"/{queue}/messages", self._headers({}), body))


@contextmanager
def storage(entra: Entra, authority: Authority, folder: Path) -> Iterator[Storage]:
    """No account yet; ended with the block."""
    account = Storage(entra, authority, folder)
    try:
        yield account
    finally:
        account.end()


def _answers(port: int) -> bool:
    with suppress(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{port}/", verify=False, trust_env=False, timeout=PATIENCE_S)
        return True
    return False
