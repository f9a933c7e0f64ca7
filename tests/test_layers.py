import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosts import PROJECT, environment
from tests.support.photos import encoded

SHARED = sorted((PROJECT / "shared_code").rglob("*.py"))
RUNTIME = [
    path
    for folder in ("shared_code", "segment_function", "cutout_function", "local_host", "telemetry")
    for path in sorted((PROJECT / folder).rglob("*.py"))
] + [PROJECT / "function_app.py"]
EDGES = {
    "azure",
    "azurefunctions",
    "cutout_function",
    "fastapi",
    "function_app",
    "httpx",
    "local_host",
    "segment_function",
    "starlette",
    "uvicorn",
}
TOO_HEAVY = {"scipy", "skimage", "onnx", "model_build", "matplotlib", "pandas", "sympy", "torch", "networkx"}


def imports(path: Path) -> Iterator[str]:
    """Top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            yield str(node.module).partition(".")[0]


def loaded_by(program: str, *arguments: str) -> set[str]:
    """Top-level packages in a fresh interpreter after a program."""
    program += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=PROJECT,
        env=environment({"SEGMENT_MODEL": "u2netp", "SEGMENT_ALLOW_ANONYMOUS": "true"}),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("path", SHARED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_pictures_know_no_edge(path: Path) -> None:
    assert not set(imports(path)) & EDGES


@pytest.mark.parametrize("path", RUNTIME, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_service_does_without_the_builder(path: Path) -> None:
    """It reads what was built; the builder is not deployed."""
    assert "model_build" not in set(imports(path))


def test_one_module_knows_the_inference_library() -> None:
    assert [path.stem for path in RUNTIME if "onnxruntime" in set(imports(path))] == ["network"]


@pytest.mark.slow
def test_pictures_load_no_edge() -> None:
    names = [".".join(path.relative_to(PROJECT).with_suffix("").parts) for path in SHARED]
    modules = ", ".join(name.removesuffix(".__init__") for name in names)
    loaded = loaded_by(f"import {modules}")
    assert "shared_code" in loaded
    assert not loaded & EDGES


@pytest.mark.parametrize("path", RUNTIME, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_environment_is_read_in_one_place(path: Path) -> None:
    """`local_host/__main__.py` reads `PORT`, which is the runner's and not the service's."""
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    names |= {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    reads = bool(names & {"environ", "environb", "getenv", "getenvb"})
    allowed = {PROJECT / "shared_code" / "settings.py", PROJECT / "local_host" / "__main__.py"}
    assert not reads or path in allowed


WATCH = """
import _thread, importlib, json, os, sys, threading, traceback

PROJECT = os.getcwd()
touched = []

def watch(event, arguments):
    if event.startswith("_thread.start_"):
        touched.append("starts a thread")
    elif event == "open" and str(arguments[0]).startswith(PROJECT):
        path = str(arguments[0])
        if not path.endswith((".py", ".pyc")) and "/.venv/" not in path and "__pycache__" not in path:
            touched.append(f"opens {path}")
    elif event == "ctypes.dlsym" and arguments[1] == "mallopt":
        touched.append("changes the allocator")

class Watched(dict):
    def get(self, name, default=None):
        if str(name).startswith(("SEGMENT_", "CUTOUT_")):
            touched.append(f"reads {name}")
        return default

def do_watch():
    sys.addaudithook(watch)
    os.environ = Watched(os.environ)
"""
IMPORT_ALONE = (
    WATCH
    + """
do_watch()
importlib.import_module(sys.argv[1])
print(*touched, sep="\\n")
"""
)
IMPORT_EACH = (
    WATCH
    + """
def in_a_child(names):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        do_watch()
        try:
            for name in names:
                importlib.import_module(name)
        except BaseException:
            touched.append(traceback.format_exc())
        loaded = [name for name, module in sys.modules.items() if "/site-packages/" in str(module)]
        with open(write, "w") as told:
            json.dump([touched, loaded], told)
        os._exit(0)
    os.close(write)
    with open(read) as told:
        found = json.load(told)
    os.waitpid(child, 0)
    return found

names = sys.argv[1:]
together, loaded = in_a_child(names)
for name in loaded:  # once, and not in every child
    importlib.import_module(name)
json.dump({"together": together} | {name: in_a_child([name])[0] for name in names}, sys.stdout)
"""
)
WIRING = "function_app"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


MODULES = [name for name in map(module_of, RUNTIME) if name != WIRING]


def run(program: str, *names: str) -> str:
    """What the program prints."""
    return subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=PROJECT,
        env=environment({"SEGMENT_MODEL": "u2netp"}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def touched() -> dict[str, list[str]]:
    """What each module touches that is the first of the project's to be imported; and all together."""
    found: dict[str, list[str]] = json.loads(run(IMPORT_EACH, *MODULES))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["together", *MODULES])
def test_no_module_does_something_when_imported(name: str, touched: dict[str, list[str]]) -> None:
    """It reads no setting, starts no thread, tunes no allocator and opens no file of ours."""
    assert touched[name] == []


@pytest.mark.slow
def test_the_wiring_does() -> None:
    """And is seen to."""
    done = run(IMPORT_ALONE, WIRING)
    for what in ("starts a thread", "reads SEGMENT_MODEL", "changes the allocator", "networks.json"):
        assert what in done


CUT_OUT = """
import asyncio, sys
from pathlib import Path
from function_app import engine
from shared_code.deadline import Deadline
from shared_code.modes import Mode
from shared_code.record import Edge
from shared_code.visit import Arrival, Visit

async def main():
    for path in Path(sys.argv[1]).iterdir():
        for mode in Mode:
            with Visit(Arrival("id", Edge.HTTP), Deadline.after(60), engine.hold(), repr) as visit:
                stream = await engine.cut_out(path.read_bytes(), mode, visit)
                assert b"".join([piece async for piece in stream]).endswith(b"IEND\\xaeB`\\x82")

asyncio.run(main())
"""


@pytest.mark.slow
def test_nothing_heavy_is_loaded_for_a_cut_out(tmp_path: Path) -> None:
    """Of what is installed for tests and the building of models, nothing may slip into the service."""
    for form in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "ICO"):
        (tmp_path / form).write_bytes(encoded(form, 64, 64))
    loaded = loaded_by(CUT_OUT, str(tmp_path))
    assert {"onnxruntime", "numpy", "PIL", "isal"} <= loaded
    assert not loaded & (TOO_HEAVY | {"pytest", "bench", "tests"})


@pytest.mark.slow
def test_the_app_is_registered_before_a_network_is_loaded() -> None:
    """The host waits for the import; the network comes in the background."""
    loaded = loaded_by("import segment_function, shared_code.engine")
    assert "onnxruntime" not in loaded
    assert not loaded & TOO_HEAVY


@pytest.mark.slow
@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="not a git checkout")
def test_no_weights_are_tracked() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    paths = [PROJECT / name for name in listed if name]
    assert PROJECT / "function_app.py" in paths
    weights = {".onnx", ".ort", ".pth", ".pt", ".whl", ".npz", ".safetensors"}
    assert [path for path in paths if path.suffix in weights] == []
    assert [path for path in paths if {"built", "cache"} & set(path.relative_to(PROJECT).parts)] == []
    assert [path for path in paths if path.exists() and path.stat().st_size > 2 << 20] == []
