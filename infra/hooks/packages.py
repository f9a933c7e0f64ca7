"""The app's packages for the platform it runs on, with their bytecode, in `.python_packages`.

The platform's own build is not used, because it has installed with versions of Python that the app does not
run on. A deployed package is read-only, so missing bytecode would be compiled again at every cold start.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder import PROJECT, WANTED, run

TARGET = PROJECT / ".python_packages" / "lib" / "site-packages"
_REQUIREMENTS = PROJECT / "requirements.txt"
_FOR_HEIC = PROJECT / "requirements-heic.txt"
_STAMP = PROJECT / ".python_packages" / "made-from.sha256"
_PLATFORM = "x86_64-manylinux_2_28"
_APP = ("cutout_function", "function_app.py", "segment_function", "shared_code", "telemetry")
NEVER_IMPORTED = (
    "*-stubs",
    "bin",
    "numpy/**/tests",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/f2py",
    "onnxruntime/backend",
    # For programs in C; the module for Python has all of it within itself.
    "onnxruntime/capi/libonnxruntime.so.*",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "**/*.pyi",
)


def bring_packages(python: Path) -> None:
    """Install the pinned packages, unless they are there, and compile everything again. Raises HookError.

    The decoder of HEIC is installed if the parameter moreFormats contains `heic`.
    """
    files = [_REQUIREMENTS] + [_FOR_HEIC] * ("heic" in os.environ.get("MORE_FORMATS", "").lower())
    contents = b"".join(file.read_bytes() for file in (*files, Path(__file__)))
    made_from = hashlib.sha256(contents).hexdigest()
    if not _STAMP.is_file() or _STAMP.read_text() != made_from:
        _install(python, files)
        _compile(python, "unchecked-hash", TARGET)
        _STAMP.write_text(made_from)
    # The app's own sources lie where they are worked on, so that its bytecode has to notice what is changed.
    for old in _own_bytecode():
        shutil.rmtree(old)
    _compile(python, "checked-hash", *(PROJECT / name for name in _APP))


def _install(python: Path, files: Sequence[Path]) -> None:
    """Install wheels for the app's platform, with pinned hashes, whatever this machine is."""
    shutil.rmtree(TARGET.parents[1], ignore_errors=True)
    run(
        [
            *(str(python), "-m", "uv", "pip", "install", "--quiet"),
            *("--target", str(TARGET), "--python-platform", _PLATFORM, "--python-version", WANTED),
            *("--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy"),
            *(word for file in files for word in ("-r", str(file))),
        ]
    )
    for pattern in NEVER_IMPORTED:
        for path in list(TARGET.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compile(python: Path, invalidation: str, *paths: Path) -> None:
    """Compile to bytecode that stays valid if file times change; file names are relative to the project."""
    options = ["-q", "-f", "-j", "0", "--invalidation-mode", invalidation, "-s", str(PROJECT)]
    run([str(python), "-m", "compileall", *options, *map(str, paths)])


def _own_bytecode() -> Iterator[Path]:
    for name in _APP:
        if (PROJECT / name).is_dir():
            yield from list((PROJECT / name).rglob("__pycache__"))
    # Beside function_app.py.
    if (PROJECT / "__pycache__").is_dir():
        yield PROJECT / "__pycache__"
