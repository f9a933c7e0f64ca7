"""The code of the docs, run as it stands: with a key, and with a wrong one.

A snippet survives a refusal when it ends with a failure, shows what the service said, and leaves no file that
is called a picture and is none.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from shared_code.errors import AccessDenied
from tests.browser.csharp import csharp_programs
from tests.functions_host.needed import skip
from tests.functions_host.program import HOW_TO_GET_ONE, HostFolder, find_host
from tests.support import loopback
from tests.support.hosts import KEYS, PROJECT, Host
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded
from tests.support.small_host import picture_by_url

PICTURE = encoded("JPEG", 64, 60)
LOCAL = "http://127.0.0.1:7071"
CLOUD = "https://<your-app>"
EXAMPLE = "https://example.com/photo.jpg"
ROUTE = "imageanalysis:segment"
JS_PACKAGES = PROJECT / "tests" / "microsoft_js" / "node_modules"


@dataclass(frozen=True)
class Snippet:
    """A block of code of a page."""

    page: str
    number: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}-{self.language}"

    @property
    def output(self) -> str:
        """The file that it writes."""
        named = re.findall(r"\w+\.(?:png|webp)", self.code)
        return named[-1] if named else "cutout.png"


def snippets() -> Iterator[Snippet]:
    """All blocks that call the API."""
    for page in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))):
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
        for number, (language, code) in enumerate(blocks):
            if ROUTE in code:
                yield Snippet(page.name, number, language, code)


SNIPPETS = list(snippets())


def prepared(snippet: Snippet, host: Host, url: str, key: str) -> str:
    """What a reader puts in: the address, the key, the picture."""
    code = snippet.code.replace(CLOUD, host.url).replace(LOCAL, host.url).replace(EXAMPLE, url)
    code = code.replace("https://$HOST", host.url).replace("<key>", key)
    if snippet.language == "sh":
        # In the cloud these commands know the address and the key; on a laptop, README says, none is needed.
        known = f"azd() {{ echo {host.url}; }}\naz() {{ echo {key}; }}\nKEY={key}\n"
        header = f"-H 'Ocp-Apim-Subscription-Key: {key}'"
        return known + (code if "Subscription-Key" in code else code.replace("-H ", f"{header} -H ", 1))
    if snippet.language == "python":
        return f"import requests\nkey = {key!r}\nphoto = open('photo.jpg', 'rb').read()\n{code}"
    if snippet.language == "js":
        # On loopback there is no TLS.
        sdk = "new AzureKeyCredential(key), { "
        code = code.replace(sdk, f"{sdk}allowInsecureConnection: true, ")
        given = f'const key = "{key}";\nconst photo = new Uint8Array(readFileSync("photo.jpg"));\n'
        if "require(" in code:
            return f'const {{ readFileSync }} = require("node:fs");\n{given}{code}\ncutOut(photo);'
        kept = 'writeFileSync("cutout.png", Buffer.from(await cutout.arrayBuffer()));'
        return f'import {{ readFileSync, writeFileSync }} from "node:fs";\n{given}{code}\n{kept}'
    using = "using System.Net.Http.Headers;\n"
    return f'{using}var key = "{key}";\nvar photo = await File.ReadAllBytesAsync("photo.jpg");\n{code}'


def run(snippet: Snippet, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in that folder."""
    program = {"sh": "bash", "python": sys.executable, "js": "node"}[snippet.language]
    if shutil.which(program) is None or (snippet.language == "sh" and shutil.which("curl") is None):
        pytest.skip(f"needs {program} and curl")
    if "@azure-rest" in code and not JS_PACKAGES.is_dir():
        pytest.skip("needs Microsoft's client for JavaScript: npm ci --prefix tests/microsoft_js")
    if snippet.language == "js" and JS_PACKAGES.is_dir():
        (folder / "node_modules").symlink_to(JS_PACKAGES)
    js = "run.cjs" if "require(" in code else "run.mjs"
    script = folder / {"sh": "run.sh", "python": "run.py", "js": js}[snippet.language]
    script.write_text(code)
    command = [program, *(["-e"] if snippet.language == "sh" else []), str(script)]
    loopback = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONPATH": ""}
    return subprocess.run(
        command, cwd=folder, env=os.environ | loopback, capture_output=True, text=True, timeout=PATIENCE_S
    )


def test_every_kind_of_snippet_is_found() -> None:
    found = {(snippet.page, snippet.language) for snippet in SNIPPETS}
    migrating = {("migrating.md", language) for language in ("sh", "python", "csharp", "js")}
    assert found >= {("README.md", "sh"), ("api.md", "sh"), ("deploy.md", "sh"), *migrating}


@pytest.mark.parametrize("key", [KEYS[0], "wrong"], ids=["200", "401"])
@pytest.mark.parametrize(
    "snippet", [s for s in SNIPPETS if s.language not in ("csharp", "powershell")], ids=str
)
def test_snippet(host: Host, tmp_path: Path, snippet: Snippet, key: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(PICTURE)
    with picture_by_url(PICTURE) as url:
        done = run(snippet, prepared(snippet, host, url, key), tmp_path)
    if key in KEYS:
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / snippet.output) as image:
            assert (image.format, image.size) == (Path(snippet.output).suffix[1:].upper(), (64, 60))
    else:
        assert done.returncode != 0
        assert AccessDenied.message in done.stdout + done.stderr
        assert [*tmp_path.glob("*.png"), *tmp_path.glob("*.webp")] == []


def test_csharp_snippets(host: Host, tmp_path: Path) -> None:
    functions_host = find_host()
    if not isinstance(functions_host, HostFolder):
        skip(HOW_TO_GET_ONE)
    [snippet] = [s for s in SNIPPETS if s.language == "csharp"]
    (tmp_path / "photo.jpg").write_bytes(PICTURE)
    programs = {
        name: prepared(snippet, host, "", key) for name, key in (("right", KEYS[0]), ("wrong", "wrong"))
    }
    with csharp_programs(functions_host, programs, tmp_path, {}) as url:
        refused = loopback.get(f"{url}/wrong")
        assert AccessDenied.message in refused.text
        assert not (tmp_path / snippet.output).exists()
        answer = loopback.get(f"{url}/right")
    assert (answer.status_code, answer.text) == (200, "")
    with Image.open(tmp_path / snippet.output) as image:
        assert (image.format, image.size) == ("PNG", (64, 60))
