"""A placeholder: an instance of Flex Consumption that runs before it is given an app and its settings."""

import base64
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from tests.conformance.requests import Request
from tests.functions_host import Instance, find_host, functions_host
from tests.functions_host.calls import ask, get
from tests.functions_host.conftest import SETTINGS
from tests.functions_host.needed import skip
from tests.functions_host.program import HostFolder
from tests.support import loopback
from tests.support.hosts import Host
from tests.support.patience import wait_for

NAME = "placeholder"
BUNDLE = "data/Functions/ExtensionBundles/Microsoft.Azure.Functions.ExtensionBundle"
"""Where an instance has its bundles, below its home."""
PLATFORM = "https://appservice.core.azurewebsites.net"
"""Who may assign an app."""


def test_placeholder_becomes_the_app(logs: Path, tmp_path: Path, host: Host, quick_app: Path) -> None:
    """The worker that runs before app and settings are known is the one that answers afterwards."""
    program = find_host()
    if not isinstance(program, HostFolder):
        skip("Core Tools start no placeholder")
    (tmp_path / BUNDLE).parent.mkdir(parents=True)
    (tmp_path / BUNDLE).symlink_to(program.bundle)
    key = os.urandom(32)
    instance_settings = {
        "HOME": str(tmp_path),
        "WEBSITE_PLACEHOLDER_MODE": "1",
        "WEBSITE_SKU": "FlexConsumption",
        "WEBSITE_POD_NAME": NAME,
        "CONTAINER_NAME": NAME,
        "CONTAINER_ENCRYPTION_KEY": base64.b64encode(key).decode(),
        "WEBSITE_AUTH_ENCRYPTION_KEY": base64.b64encode(key).decode(),
    }
    with functions_host(logs / "placeholder.txt", instance_settings, quick_app, ready_status=404) as instance:
        workers = instance.worker_pids
        assert len(workers) == 1
        assign(instance, key)
        wait_for(lambda: get(instance, "/ready").status == 200)
        assert instance.worker_pids == workers
        reply = ask(instance, Request())
        assert reply.status == 200
        assert reply.body == ask(host, Request()).body
        assert ask(instance, Request(headers={"Ocp-Apim-Subscription-Key": "wrong"})).status == 401


def assign(instance: Instance, key: bytes) -> None:
    """What the platform sends when the first request of an app comes."""
    app_settings = {
        "AzureWebJobsScriptRoot": str(instance.app),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_WORKER_RUNTIME_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
        "WEBSITE_PLACEHOLDER_MODE": "0",
    }
    context = {
        "siteId": 1,
        "siteName": "segment-function",
        "environment": app_settings | SETTINGS,
        "lastModifiedTime": "2025-03-31T00:00:00Z",
    }
    with loopback.client(instance.url) as client:
        response = client.post(
            "/admin/instance/assign",
            json={"encryptedContext": encrypted(json.dumps(context).encode(), key)},
            headers={"x-ms-site-token": token(key)},
        )
    assert response.status_code == 202


def encrypted(text: bytes, key: bytes) -> str:
    """AES-256-CBC, as the host takes it: vector, text, digest of the key."""
    vector = os.urandom(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    data = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    return ".".join(base64.b64encode(part).decode() for part in (vector, data, hashlib.sha256(key).digest()))


def token(key: bytes) -> str:
    """A JSON Web Token of the platform's for this instance."""
    now = int(time.time())
    claims = {"iss": PLATFORM, "aud": NAME, "nbf": now - 60, "iat": now, "exp": now + 300}
    return jwt.encode(claims, key, "HS256")
